/* An extension module whose functions have variables of every kind when it crashes. Built without optimisation, all of
   them are in memory; with it, in registers, in what the caller passed, or nowhere. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

enum colour { RED, GREEN = 5, BLUE };

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
    PyObject *owner;
    struct shape *next;
};

static __attribute__((noinline)) long varsext_store(long *target, long amount, double rate)
{
    *target = amount;
    __asm__ volatile("" ::: "memory");
    return amount + (long)rate;
}

static inline __attribute__((always_inline)) long inlined_store(long *place, long twice)
{
    return varsext_store(place, twice * 2, 0.75);
}

__attribute__((noinline)) long varsext_fill(struct shape *shape, PyObject *items, long *target, const char *label)
{
    Py_ssize_t count = PyList_Size(items);
    char letter = 'A' + (char)count;
    bool is_empty = count == 0;
    unsigned char bytes[4] = {1, 2, 254, 255};
    int numbers[3] = {-1, 0, 7};
    float ratio = 0.5f;
    PyListObject *list = (PyListObject *)items;
    struct point origin = {3, -1.25};
    long stored = inlined_store(target, count + 4);
    /* After the fault nothing runs; what is used here stays alive up to the call. */
    return stored + letter + is_empty + bytes[0] + numbers[2] + (long)ratio + Py_SIZE(list) + origin.x + shape->layer +
           (label ? label[0] : 0);
}

static PyObject *varsext_run(PyObject *module, PyObject *items)
{
    struct shape other = {.name = "other", .colour = RED};
    struct shape shape = {
        .name = "triangle",
        .colour = GREEN,
        .corners = {{1, 0.5}, {2, 1e300}},
        .filled = 1,
        .layer = -3,
        .owner = items,
        .next = &other,
    };
    return PyLong_FromLong(varsext_fill(&shape, items, (long *)8, "la\"bel\n"));
}

static PyMethodDef methods[] = {{"run", varsext_run, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "varsext", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_varsext(void)
{
    return PyModule_Create(&definition);
}
