/* An extension module with one function per mistake that a finding names. Build: see the `build` directive of any
   sample that uses it. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <assert.h>
#include <pthread.h>

struct item {
    long pad[2];
    struct item *next;
};

/* Two steps, so that the first one takes the pointer out of the memory, and the second one follows it. */
long findext_follow(struct item *item)
{
    return item->next->pad[1];
}

static PyObject *findext_use_freed(PyObject *module, PyObject *unused)
{
    struct item *volatile item = PyMem_Calloc(1, sizeof *item);
    PyMem_Free(item);
    return PyLong_FromLong(findext_follow(item));
}

static PyObject *findext_use_unset(PyObject *module, PyObject *unused)
{
    struct item *item = PyMem_Malloc(sizeof *item);
    return PyLong_FromLong(findext_follow(item));
}

/* An item that none follows. */
static PyObject *findext_use_last(PyObject *module, PyObject *unused)
{
    struct item item = {{1, 2}, NULL};
    return PyLong_FromLong(findext_follow(&item));
}

/* An instruction of 3DNow!, which no processor of today has. */
static PyObject *findext_use_old(PyObject *module, PyObject *unused)
{
    __asm__ volatile(".byte 0x0f, 0x0f, 0xc0, 0x9e"); /* pfadd mm0, mm0 */
    Py_RETURN_NONE;
}

/* Text where a pointer should be. */
static PyObject *findext_use_text(PyObject *module, PyObject *unused)
{
    struct item item;
    memcpy(&item.next, "name=abc", 8);
    return PyLong_FromLong(findext_follow(&item));
}

static PyObject *findext_write_constant(PyObject *module, PyObject *unused)
{
    char *volatile text = (char *)"constant";
    text[0] = 'C';
    Py_RETURN_NONE;
}

static PyObject *findext_check(PyObject *module, PyObject *argument)
{
    long count = PyLong_AsLong(argument);
    assert(count > 0);
    return PyLong_FromLong(count);
}

/* The stack protector notices when the function returns. */
__attribute__((noinline, optimize("stack-protector-all"))) void findext_fill(size_t length)
{
    char buffer[16];
    memset(buffer, 'x', length);
}

static PyObject *findext_overrun(PyObject *module, PyObject *unused)
{
    findext_fill(32); /* the guard, and not what lies behind it */
    Py_RETURN_NONE;
}

static void *findext_worker(void *exception)
{
    PyErr_SetString(exception, "from a thread of its own");
    return NULL;
}

/* A thread that Python does not know. The GIL is let go of, so that the interpreter has no current thread. */
static PyObject *findext_thread(PyObject *module, PyObject *unused)
{
    pthread_t thread;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = pthread_create(&thread, NULL, findext_worker, PyExc_ValueError);
    if (!failed)
        pthread_join(thread, NULL);
    Py_END_ALLOW_THREADS
    if (failed)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *findext_without_gil(PyObject *module, PyObject *unused)
{
    Py_BEGIN_ALLOW_THREADS
    PyErr_SetString(PyExc_ValueError, "without the GIL");
    Py_END_ALLOW_THREADS
    return NULL;
}

static PyObject *findext_free_elsewhere(PyObject *module, PyObject *unused)
{
    PyObject_Free(PyMem_Malloc(24));
    Py_RETURN_NONE;
}

/* What stands before the second of two neighbours is the first, and no size that free() could take for its own. */
static PyObject *findext_free_by_libc(PyObject *module, PyObject *unused)
{
    char *blocks[64];
    for (int i = 0; i < 64; i++)
        blocks[i] = PyMem_Calloc(1, 48);
    for (int i = 0; i < 64 * 64; i++) {
        char *block = blocks[i % 64];
        if (block == blocks[i / 64] + 48)
            free(block);
    }
    Py_RETURN_NONE;
}

/* As CPython's own code does it, where an extension may: with a format. */
static PyObject *findext_give_up(PyObject *module, PyObject *unused)
{
#if 0x03090000 <= PY_VERSION_HEX && PY_VERSION_HEX < 0x030d0000
    extern void _Py_FatalErrorFormat(const char *, const char *, ...);
    _Py_FatalErrorFormat(__func__, "row %d of %s is broken", 7, "table.csv");
#else
    Py_FatalError("row 7 of table.csv is broken");
#endif
    Py_RETURN_NONE;
}

static PyObject *findext_write_behind(PyObject *module, PyObject *argument)
{
    volatile char *block = PyMem_Malloc(24);
    block[24] = (char)PyLong_AsLong(argument);
    PyMem_Free((void *)block);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"free_elsewhere", findext_free_elsewhere, METH_NOARGS, "Give memory back to another allocator."},
    {"free_by_libc", findext_free_by_libc, METH_NOARGS, "Give memory of Python's allocator to the C library."},
    {"give_up", findext_give_up, METH_NOARGS, "End the process by a fatal error."},
    {"write_behind", findext_write_behind, METH_O, "Write one byte too many."},
    {"use_freed", findext_use_freed, METH_NOARGS, "Follow a pointer in freed memory."},
    {"use_unset", findext_use_unset, METH_NOARGS, "Follow a pointer that was never set."},
    {"use_last", findext_use_last, METH_NOARGS, "Follow a pointer that is null."},
    {"use_old", findext_use_old, METH_NOARGS, "Run an instruction that the processor does not have."},
    {"use_text", findext_use_text, METH_NOARGS, "Follow a pointer that is text."},
    {"write_constant", findext_write_constant, METH_NOARGS, "Write to a string literal."},
    {"check", findext_check, METH_O, "Fail an assertion, where the number is not positive."},
    {"overrun", findext_overrun, METH_NOARGS, "Overrun a buffer that the stack protector watches."},
    {"thread", findext_thread, METH_NOARGS, "Call Python from a thread of its own."},
    {"without_gil", findext_without_gil, METH_NOARGS, "Call Python without the GIL."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_MOD_GIL_NOT_USED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "findext", NULL, 0, methods, slots};

PyMODINIT_FUNC PyInit_findext(void)
{
    return PyModuleDef_Init(&module);
}
