/* An extension module with types whose instances have fields that Python does not see. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

enum colour { RED, GREEN = 5 };

struct point {
    int x, y;
};

typedef struct {
    PyObject_HEAD
    long count;
    double rate;
    const char *label;
    PyObject *owner;
    PyObject *nobody;
    struct point corner;
    enum colour colour;
    unsigned char bytes[4];
    char password[8];
} Counter;

/* A type of its own, made at run time, whose functions do not name its structure. */
typedef struct {
    PyObject_HEAD
    Py_ssize_t rows;
    Py_ssize_t columns;
    double *cells;
} Matrix;

static void counter_dealloc(Counter *self)
{
    Py_XDECREF(self->owner);
    PyObject_Free(self);
}

static PyTypeObject CounterType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "structext.Counter",
    .tp_basicsize = sizeof(Counter),
    .tp_dealloc = (destructor)counter_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
};

static PyObject *matrix_shape(PyObject *self, PyObject *unused)
{
    return Py_BuildValue("nn", ((Matrix *)self)->rows, ((Matrix *)self)->columns);
}

static PyMethodDef matrix_methods[] = {{"shape", matrix_shape, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyType_Slot matrix_slots[] = {{Py_tp_methods, matrix_methods}, {0, NULL}};
static PyType_Spec matrix_spec = {"structext.Matrix", sizeof(Matrix), 0, Py_TPFLAGS_DEFAULT, matrix_slots};

static PyObject *structext_counter(PyObject *module, PyObject *owner)
{
    Counter *counter = PyObject_New(Counter, &CounterType);
    if (!counter)
        return NULL;
    Py_INCREF(owner);
    counter->count = -3;
    counter->rate = 0.25;
    counter->label = "rows";
    counter->owner = owner;
    counter->nobody = NULL;
    counter->corner = (struct point){1, 2};
    counter->colour = GREEN;
    memcpy(counter->bytes, "\1\2\3\4", 4);
    strcpy(counter->password, "hunter2");
    return (PyObject *)counter;
}

static PyObject *structext_matrix(PyObject *module, PyObject *unused)
{
    PyObject *type = PyType_FromSpec(&matrix_spec);
    Matrix *matrix = type ? PyObject_New(Matrix, (PyTypeObject *)type) : NULL;
    if (!matrix)
        return NULL;
    matrix->rows = 2;
    matrix->columns = 3;
    matrix->cells = NULL;
    return (PyObject *)matrix;
}

static PyMethodDef methods[] = {
    {"counter", structext_counter, METH_O, NULL},
    {"matrix", structext_matrix, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "structext", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_structext(void)
{
    if (PyType_Ready(&CounterType) < 0)
        return NULL;
    return PyModule_Create(&definition);
}
