/* Prints how many nanoseconds it takes to start a thread and to see it end: the median of many. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COUNT 2000

static void *nothing(void *argument)
{
    return argument;
}

static long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    long left = *(const long *)a, right = *(const long *)b;
    return (left > right) - (left < right);
}

int main(void)
{
    static long taken[COUNT];
    for (int i = 0; i < COUNT; i++) {
        pthread_t thread;
        long begin = now();
        if (pthread_create(&thread, NULL, nothing, NULL) != 0)
            return 1;
        pthread_join(thread, NULL);
        taken[i] = now() - begin;
    }
    qsort(taken, COUNT, sizeof taken[0], compare);
    printf("%ld\n", taken[COUNT / 2]);
    return 0;
}
