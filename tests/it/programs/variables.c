/* Variables of every kind in three functions, one of them inlined, and a crash in the innermost. Looked at by
   tests/it/native_variables.rs, with and without optimisation. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum colour { RED, GREEN = 5, BLUE = -1 };

struct point {
    int x;
    double y;
};

struct shape {
    const char *name;
    enum colour colour;
    struct point corners[2];
    unsigned int filled : 1;
    int layer : 4;
    struct shape *next;
    union {
        int number;
        unsigned int bits;
    } either;
};

typedef struct point *point_pointer;

__attribute__((noinline)) static long store(long *target, long amount, struct point *point, double rate,
                                            float share)
{
    long twice = amount * 2;
    point->x += (int)amount;
    *target = twice;
    __asm__ volatile("" ::: "memory");
    point->y = rate * share;
    return twice + point->x;
}

static inline __attribute__((always_inline)) long both(struct point *first, long step, long *target)
{
    long sum = first->x + step;
    return store(target, sum, first, 0.75, -2.5f) + sum;
}

__attribute__((noinline)) long fill(struct shape *shape, const char *label, uint8_t small, int16_t minus, float ratio,
                                    double wide, bool flag, long *target)
{
    char letter = 'q';
    unsigned long long large = 18446744073709551615ull;
    int numbers[3] = {-1, 0, 7};
    struct point origin = {3, -1.25};
    point_pointer corner = &shape->corners[1];
    enum colour colour = shape->colour;
    volatile int kept = small + minus;
    long result = both(&origin, shape->layer + kept, target);
    return result + letter + (long)large + numbers[2] + corner->x + colour + label[0] + (long)ratio + (long)wide + flag;
}

__attribute__((noinline)) int work(int count, long *target)
{
    struct shape other = {.name = "other", .colour = BLUE, .either = {7}};
    struct shape shape = {
        .name = "triangle",
        .colour = GREEN,
        .corners = {{1, 0.5}, {2, 2.25}},
        .filled = 1,
        .layer = -3,
        .next = &other,
        .either = {12},
    };
    long found = fill(&shape, "label", 200, -300, 0.5f, 2.75, count > 0, target);
    return (int)found + count + other.either.number;
}

int main(int argc, char **argv)
{
    return work(argc + 41, (long *)8);
}
