/* Seventeen ways to die, for tests/corpus/corpus.py. The place of each bug is static, so that it has no name in a
   stripped build. SHIFT moves every line. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PLACE static __attribute__((noinline, noclone))
extern void *PyList_New(long);
extern void Py_FatalError(const char *);

PLACE long read_at(long *at) { return *at + 1; }
long bug_null_read(void) { return read_at((long *)0) + 1; }

PLACE void write_at(char *at, long n) { at[n] = 7; }
void bug_null_write(void) { write_at((char *)8, 16); __asm__ volatile(""); }

PLACE long measure_name(const char *name) { return (long)strlen(name) + 1; }
long bug_strlen_name(void) { return measure_name(*(const char *volatile *)&(const char *){0}) + 1; }

PLACE long measure_path(const char *path) { return (long)strlen(path) + 2; }
long bug_strlen_path(void) { return measure_path(*(const char *volatile *)&(const char *){0}) + 2; }

PLACE void check_state(volatile int state) { assert(state == 1); }
void bug_assert(void) { check_state(0); __asm__ volatile(""); }

PLACE void release_twice(char *volatile block) { free(block); free(block); }
void bug_double_free(void) { release_twice(malloc(40)); __asm__ volatile(""); }

PLACE long descend(volatile char *up, long depth) {
    volatile char here[256];
    here[depth % 256] = up[0];
    return descend(here, depth + 1) + here[1];
}
long bug_recursion(void) { return descend("x", 0) + 1; }

/* ctypes has given up the GIL. */
PLACE void *make_lists(void) { void *last = 0; for (int i = 0; i < 1000000; i++) last = PyList_New(3); return last; }
void *bug_no_gil(void) { void *list = make_lists(); __asm__ volatile(""); return list; }

PLACE void give_up(void) { Py_FatalError("the index is broken"); }
void bug_py_fatal(void) { give_up(); __asm__ volatile(""); }

PLACE void trap(void) { __builtin_trap(); }
void bug_trap(void) { trap(); __asm__ volatile(""); }

PLACE long divide(volatile long by) { return 7 / by; }
long bug_divide(void) { return divide(0) + 1; }

PLACE void smash_and_call(void (*volatile f)(void)) { f(); __asm__ volatile(""); }
void bug_wild_call(void) { smash_and_call((void (*)(void))0x10); __asm__ volatile(""); }

PLACE long after_callback(long *at) { return at[2]; }
long bug_callback(void (*f)(void)) { f(); return after_callback((long *)0) + 1; }
