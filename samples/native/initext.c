/* An extension module that crashes in its init function. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

struct table {
    long pad[2];
    long entries; /* at offset 0x10, which is the address a null table faults at */
};

void initext_setup(struct table *table)
{
    table->entries = 1;
}

PyMODINIT_FUNC PyInit_initext(void)
{
    struct table *volatile table = NULL;
    initext_setup(table);
    return NULL;
}
