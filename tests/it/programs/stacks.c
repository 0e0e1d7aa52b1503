// Stacks of all kinds, one per mode (argv[1]); each ends in a fault. Built by tests/it/native.rs
// with -O2 -fomit-frame-pointer, so that only call frame information leads through it.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEEP __attribute__((noinline, noclone))
volatile long sink;
void (*volatile null_function)(void);
int *volatile null_pointer;

KEEP void fault(long a) {
    *null_pointer = (int)a;
    sink++;
}

// Uses callee-saved registers, so that they must be restored on the way.
KEEP long nested(long depth, long b, long c, long d, long e) {
    long kept[3] = {b + c, c + d, d + e};
    if (depth == 0)
        fault(kept[1]);
    else
        nested(depth - 1, c, d, e, b);
    sink += kept[0] + kept[1] + kept[2];
    return kept[0] ^ kept[2];
}

KEEP long with_alloca(int n) {
    char *room = __builtin_alloca(n); // a frame pointer after all: the CFA is found through rbp
    memset(room, n, n);
    sink += room[n / 2];
    long r = nested(3, n, 2, 3, 4);
    return r + room[1];
}

KEEP void call_null(void) {
    null_function();
    sink++;
}

KEEP long recurse(long depth) {
    if (depth == 0)
        fault(1);
    long r = recurse(depth - 1);
    sink += r;
    return r + depth;
}

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)info, (void)context;
    nested(2, number, 2, 3, 4);
}

KEEP void divide(void) {
    volatile long zero = 0;
    sink = (sink + 100) / zero;
}

KEEP void install(int flags) {
    static char alternate[1 << 16];
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&stack, 0);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = flags};
    sigaction(SIGFPE, &action, 0);
    divide();
    sink++;
}

static int compare(const void *a, const void *b) {
    fault(*(const int *)a - *(const int *)b);
    return 0;
}

KEEP void smash(void) {
    char here[16];
    memset(here + sink, 'A', 64); // over the saved registers and the return address
    __asm__ volatile("" : : "r"(here) : "memory");
    *null_pointer = here[3];
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    puts("ready");
    fflush(stdout);
    getchar();
    int numbers[] = {3, 1, 2};
    if (!strcmp(mode, "nested"))
        with_alloca(40);
    else if (!strcmp(mode, "null"))
        call_null();
    else if (!strcmp(mode, "handler"))
        install(SA_SIGINFO | SA_ONSTACK);
    else if (!strcmp(mode, "plain-handler"))
        install(0);
    else if (!strcmp(mode, "recursion"))
        recurse(45000);
    else if (!strcmp(mode, "library"))
        qsort(numbers, 3, sizeof numbers[0], compare);
    else if (!strcmp(mode, "smash"))
        smash();
    else if (!strcmp(mode, "abort"))
        abort();
    return (int)sink;
}
