/* Replaces the function that runs Python frames (PEP 523), as profilers and compilers do. */

#include <Python.h>

#if PY_VERSION_HEX >= 0x030b0000
typedef struct _PyInterpreterFrame Frame;
#else
typedef PyFrameObject Frame;
#endif

static PyObject *evalframe_run(PyThreadState *thread, Frame *frame, int throwing)
{
    return _PyEval_EvalFrameDefault(thread, frame, throwing);
}

static PyObject *evalframe_install(PyObject *module, PyObject *unused)
{
    _PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Get(), evalframe_run);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"install", evalframe_install, METH_NOARGS, "Run all frames from now on."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "evalframe", NULL, -1, methods};

PyMODINIT_FUNC PyInit_evalframe(void)
{
    return PyModule_Create(&module);
}
