/* An extension module with bugs in what the interpreter calls by itself: slots, destructors, callbacks. One file for
   every Python (the limited API). For tests/corpus/corpus.py. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x03080000
#include <Python.h>
#include <pthread.h>
#include <signal.h>

#define PLACE static __attribute__((noinline, noclone))
#define KEEP __asm__ volatile("" ::: "memory")

typedef struct { PyObject_HEAD long *rows; PyObject *next; } Table;

/* What an object has before it is opened, and the compiler does not know it. */
PLACE long *closed(void) { long *volatile rows = (long *)8; return rows; }

PLACE PyObject *cursor_next(PyObject *self) { return PyLong_FromLong(((Table *)self)->rows[0] + (self != NULL)); }
PLACE Py_hash_t key_hash(PyObject *self) { return ((Table *)self)->rows[1] + 1; }
PLACE PyObject *point_compare(PyObject *self, PyObject *other, int how) { return PyBool_FromLong(((Table *)self)->rows[2] < how); }
PLACE PyObject *image_width(PyObject *self, void *closure) { return PyLong_FromLong(((Table *)self)->rows[3] + 1); }
PLACE int node_traverse(PyObject *self, visitproc visit, void *arg) {
    int stopped = visit(((Table *)self)->next, arg);
    KEEP;
    return stopped;
}
PLACE void session_dealloc(PyObject *self) { ((Table *)self)->rows[4] = 0; KEEP; }
PLACE void cache_dealloc(PyObject *self) { ((Table *)self)->rows[6] = 0; KEEP; }
PLACE void handle_destructor(PyObject *capsule) { *(volatile long *)PyCapsule_GetPointer(capsule, NULL) = 0; KEEP; }
PLACE int deferred(void *rows) { return (int)((volatile long *)rows)[5] + 1; }
PLACE void on_usr2(int number) { closed()[number] = 1; KEEP; }
PLACE void drop_owner(PyObject *owner) { owner->ob_type = (PyTypeObject *)16; Py_DECREF(owner); KEEP; }

/* As Cython names what it makes. */
PLACE long __pyx_f_6_parts_lookup(long *rows, long index) { return rows[index] + 1; }
PLACE PyObject *__pyx_pf_6_parts_5Table_2column(PyObject *self, long index) {
    return PyLong_FromLong(__pyx_f_6_parts_lookup(((Table *)self)->rows, index) + 1);
}
PLACE PyObject *__pyx_pw_6_parts_5Table_3column(PyObject *self, PyObject *index) {
    PyObject *found = __pyx_pf_6_parts_5Table_2column(self, PyLong_AsLong(index));
    KEEP;
    return found;
}

PLACE int frame_buffer(PyObject *self, PyObject *unused) { return self == unused; }

static PyObject *capsule(PyObject *self, PyObject *unused) { return PyCapsule_New(closed(), NULL, handle_destructor); }
static PyObject *defer(PyObject *self, PyObject *unused) { return PyLong_FromLong(Py_AddPendingCall(deferred, closed())); }
static PyObject *drop(PyObject *self, PyObject *unused) { drop_owner(PyDict_New()); return PyLong_FromLong(frame_buffer(self, unused)); }
static PyObject *watch(PyObject *self, PyObject *unused) { signal(SIGUSR2, on_usr2); raise(SIGUSR2); return PyLong_FromLong(1); }
static PyObject *view(PyObject *self, PyObject *unused) { return PyMemoryView_FromMemory((char *)closed(), 4096, 0x100); }

static void *notify(void *callback) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *given = PyObject_CallObject(callback, NULL);
    Py_XDECREF(given);
    PyGILState_Release(state);
    return NULL;
}
static PyObject *subscribe(PyObject *self, PyObject *callback) {
    pthread_t thread;
    Py_BEGIN_ALLOW_THREADS
    pthread_create(&thread, NULL, notify, callback);
    pthread_join(thread, NULL);
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(1);
}

/* One type for each slot: an object without it does not die of it. */
static PyMethodDef table_methods[] = {{"column", __pyx_pw_6_parts_5Table_3column, METH_O, NULL}, {0}};
static PyGetSetDef image_members[] = {{"width", image_width, NULL, NULL, NULL}, {0}};
static PyType_Slot table_slots[] = {{Py_tp_methods, table_methods}, {0}};
static PyType_Slot cursor_slots[] = {{Py_tp_iter, PyObject_SelfIter}, {Py_tp_iternext, cursor_next}, {0}};
static PyType_Slot key_slots[] = {{Py_tp_hash, key_hash}, {0}};
static PyType_Slot point_slots[] = {{Py_tp_hash, key_hash}, {Py_tp_richcompare, point_compare}, {0}};
static PyType_Slot image_slots[] = {{Py_tp_getset, image_members}, {0}};
static PyType_Slot node_slots[] = {{Py_tp_traverse, node_traverse}, {0}};
static PyType_Slot cache_slots[] = {{Py_tp_dealloc, cache_dealloc}, {0}};
static PyType_Slot session_slots[] = {{Py_tp_dealloc, session_dealloc}, {0}};
#define SPEC(name, slots, flags) {"_parts." name, sizeof(Table), 0, Py_TPFLAGS_DEFAULT | (flags), slots}
static PyType_Spec specs[] = {
    SPEC("Table", table_slots, 0), SPEC("Cursor", cursor_slots, 0), SPEC("Key", key_slots, 0), SPEC("Point", point_slots, 0),
    SPEC("Image", image_slots, 0), SPEC("Node", node_slots, Py_TPFLAGS_HAVE_GC), SPEC("Session", session_slots, 0),
    SPEC("Cache", cache_slots, 0),
};

/* A new object of the type of that number. */
static PyObject *make(PyObject *self, PyObject *number) {
    long index = PyLong_AsLong(number);
    PyObject *type = PyType_FromSpec(&specs[index]);
    Table *made = type ? (Table *)PyType_GenericAlloc((PyTypeObject *)type, 0) : NULL;
    if (made) {
        made->rows = closed();
        made->next = (PyObject *)closed();
    }
    return (PyObject *)made;
}

static PyMethodDef methods[] = {
    {"make", make, METH_O, NULL}, {"capsule", capsule, METH_NOARGS, NULL}, {"defer", defer, METH_NOARGS, NULL},
    {"drop", drop, METH_NOARGS, NULL}, {"watch", watch, METH_NOARGS, NULL}, {"view", view, METH_NOARGS, NULL},
    {"subscribe", subscribe, METH_O, NULL}, {0},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_parts", NULL, -1, methods};
PyMODINIT_FUNC PyInit__parts(void) { return PyModule_Create(&module); }
