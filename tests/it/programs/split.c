/* A library with a function that only debug information names. */

volatile int sink;

static __attribute__((noinline)) int hidden(int value)
{
    sink += value; /* line 7 */
    return sink;
}

int exported(int value)
{
    return hidden(value) + 1;
}
