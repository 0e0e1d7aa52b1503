/* An extension module with one function per way to crash in C. Build: see the `build` directive of any sample
   that uses it. Everything that must show up by name in a native stack is a plain function with a crashext_
   prefix; at -O0 the compiler neither inlines nor turns the recursion into a loop. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

struct counter {
    long pad[2];
    long value; /* at offset 0x10, which is the address a null counter faults at */
};

void crashext_add(struct counter *counter, long amount)
{
    counter->value += amount;
}

static PyObject *crashext_null_deref(PyObject *module, PyObject *argument)
{
    struct counter *counter = NULL;
    crashext_add(counter, PyLong_AsLong(argument));
    Py_RETURN_NONE;
}

static PyObject *crashext_null_call(PyObject *module, PyObject *unused)
{
    PyObject *(*volatile callback)(void) = NULL; /* volatile: a known null call is undefined, and would be a trap */
    return callback();
}

static PyObject *crashext_divide(PyObject *module, PyObject *args)
{
    long left, right;
    if (!PyArg_ParseTuple(args, "ll", &left, &right))
        return NULL;
    return PyLong_FromLong(left / right);
}

/* With 128 bytes of buffer gcc 12 makes frames of 160 bytes on x86-64: some 52,000 in a stack of 8 MB. */
long crashext_recurse(long depth)
{
    volatile char buffer[128];
    buffer[0] = (char)depth;
    return crashext_recurse(depth + 1) + buffer[0];
}

static PyObject *crashext_overflow(PyObject *module, PyObject *unused)
{
    return PyLong_FromLong(crashext_recurse(0));
}

/* Overwrites the return address and the saved frame pointer, as an overrun of a buffer on the stack does. The
   address is not canonical, so x86-64 faults in `ret` itself and the unwinder has no caller to find. */
void crashext_overrun(size_t length)
{
    char buffer[8];
    memset(buffer, 0x41, length); /* not a loop here: it would overwrite its own counter */
}

static PyObject *crashext_smash(PyObject *module, PyObject *unused)
{
    crashext_overrun(64);
    Py_RETURN_NONE;
}

static PyObject *crashext_call(PyObject *module, PyObject *function)
{
    return PyObject_CallFunction(function, "i", 7);
}

static PyObject *crashext_raise(PyObject *module, PyObject *message)
{
    PyErr_SetObject(PyExc_ValueError, message);
    crashext_add(NULL, 1);
    return NULL;
}

static PyObject *crashext_trap(PyObject *module, PyObject *unused)
{
    __builtin_trap(); /* ud2 on x86-64: what compilers put where code must not be reached */
}

/* 3.12 and 3.13 count C calls, and allow so few that no stack is ever full. */
static PyObject *crashext_allow_depth(PyObject *module, PyObject *unused)
{
#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030E0000
    PyThreadState_Get()->c_recursion_remaining = 1000000;
#endif
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"null_deref", crashext_null_deref, METH_O, "Write through a null struct pointer."},
    {"null_call", crashext_null_call, METH_NOARGS, "Call a null function pointer."},
    {"divide", crashext_divide, METH_VARARGS, "Divide two integers, without a look at the divisor."},
    {"overflow", crashext_overflow, METH_NOARGS, "Recurse in C until the stack ends."},
    {"smash", crashext_smash, METH_NOARGS, "Overrun a buffer on the stack."},
    {"raise_", crashext_raise, METH_O, "Raise a ValueError, and crash before anybody sees it."},
    {"trap", crashext_trap, METH_NOARGS, "Execute an illegal instruction."},
    {"allow_depth", crashext_allow_depth, METH_NOARGS, "Lift the limit on the depth of C calls."},
    {"call", crashext_call, METH_O, "Call a Python function with 7."},
    {NULL, NULL, 0, NULL},
};

/* In phases, as interpreters with a GIL of their own, and builds without one, ask for. */
static PyModuleDef_Slot slots[] = {
#ifdef Py_MOD_PER_INTERPRETER_GIL_SUPPORTED
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_MOD_GIL_NOT_USED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "crashext", NULL, 0, methods, slots};

PyMODINIT_FUNC PyInit_crashext(void)
{
    return PyModuleDef_Init(&module);
}
