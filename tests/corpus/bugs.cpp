// Bugs that need C++ or the C library, for tests/corpus/corpus.py.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <vector>

#define PLACE static __attribute__((noinline, noclone))
#define KEEP __asm__ volatile("" ::: "memory")

extern "C" void *PyDict_GetItemString(void *, const char *);

struct Row { long key; const char *name; };

PLACE int by_name(const void *a, const void *b) { return ((*(Row *const *)a)->key > (*(Row *const *)b)->key) + 0; }
PLACE void sort_rows(Row **rows, size_t count) { qsort(rows, count, sizeof *rows, by_name); KEEP; }

PLACE int format_name(char *out, const char *name) { return snprintf(out, 80, "name=%s", name) + 1; }

PLACE void copy_payload(char *to, const char *from, long size) { memcpy(to, from, (size_t)size); __asm__ volatile("" :: "r"(to) : "memory"); }

PLACE void reject(int code) { throw std::runtime_error("rejected: " + std::to_string(code)); }

PLACE int element(const std::vector<int> &all, size_t index) { return all.at(index) + 1; }

struct Shape { virtual long area() const = 0; virtual ~Shape() {} };
PLACE long measure(const Shape *shape) { return shape->area() + 1; }

PLACE long fill(long count) {
    volatile char small[16];
    for (long i = 0; i < count; i++) small[i] = 'x';
    return small[3];
}

PLACE const char *setting(void *settings) { return (const char *)PyDict_GetItemString(settings, "name") + 1; }

PLACE void *worker(void *work) { *(volatile long *)work = 1; return nullptr; }

PLACE long odd(volatile char *up, long depth);
PLACE long even(volatile char *up, long depth) { volatile char here[128]; here[depth % 128] = up[0]; return odd(here, depth + 1) + here[1]; }
PLACE long odd(volatile char *up, long depth) { volatile char here[200]; here[depth % 200] = up[0]; return even(here, depth + 1) + here[1]; }

PLACE void give_back(char *block) { free(block + 16); KEEP; }

extern "C" {
void bug_sort(void) { Row row = {1, "a"}; Row *rows[3] = {&row, nullptr, &row}; sort_rows(rows, 3); }
int bug_format(void) { char out[80]; return format_name(out, (const char *)0x30); }
void bug_copy(void) { static char to[8]; volatile long size = 1L << 40; copy_payload(to, "abc", size); }
void bug_throw(void) { reject(7); KEEP; }
int bug_element(void) { return element({1, 2, 3}, 9) + 1; }
long bug_virtual(void) { static long freed[4] = {0x50, 0, 0, 0}; return measure((const Shape *)freed) + 1; }
long bug_smash(void) { volatile long count = 96; return fill(count) + 1; }
const char *bug_setting(void) { return setting(nullptr) + 1; }
void bug_worker(void) { pthread_t thread; pthread_create(&thread, nullptr, worker, nullptr); pthread_join(thread, nullptr); }
long bug_mutual(void) { return even((char *)"x", 0) + 1; }
void bug_give_back(void) { give_back((char *)malloc(100)); KEEP; }
}
