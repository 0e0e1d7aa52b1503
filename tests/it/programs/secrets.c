/* An extension module with secrets in fields of its objects and in variables of its functions. They are put together at
   run time, so that no constant of the file has one. Looked at by tests/it/redaction.rs. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

struct login {
    int port;
    char passphrase[32];
};

typedef struct {
    PyObject_HEAD
    long count;
    const char *password;
    char api_key[32];
    PyObject *token;
    struct login login;
} Account;

/* "Zq7-", the place, "-x9" */
static char *made(char *to, const char *place)
{
    to[0] = 'Z', to[1] = 'q', to[2] = '7', to[3] = '-';
    for (to += 4; *place; place++)
        *to++ = *place;
    to[0] = '-', to[1] = 'x', to[2] = '9', to[3] = 0;
    return to;
}

static void account_dealloc(Account *self)
{
    Py_XDECREF(self->token);
    PyObject_Free(self);
}

static PyTypeObject AccountType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "secrets_c.Account",
    .tp_basicsize = sizeof(Account),
    .tp_dealloc = (destructor)account_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
};

static PyObject *account(PyObject *module, PyObject *token)
{
    Account *self = PyObject_New(Account, &AccountType);
    if (!self)
        return NULL;
    Py_INCREF(token);
    self->token = token;
    self->count = 7;
    self->login.port = 5432;
    char *password = PyMem_RawCalloc(1, 64);
    made(password, "field-pointer");
    self->password = password;
    made(self->api_key, "field-array");
    made(self->login.passphrase, "field-inner");
    return (PyObject *)self;
}

__attribute__((noinline)) static int connect_to(const char *host, const char *access_token, Account *account)
{
    char passphrase[32];
    struct login login = {5432, ""};
    made(passphrase, "local-array");
    made(login.passphrase, "local-inner");
    int port = login.port;
    *(volatile int *)0 = port + passphrase[0] + host[0] + access_token[0] + (int)account->count;
    return port;
}

static PyObject *crash(PyObject *module, PyObject *account)
{
    char *text = PyMem_RawCalloc(1, 64);
    made(text, "argument");
    return PyLong_FromLong(connect_to("localhost", text, (Account *)account));
}

static PyMethodDef methods[] = {{"account", account, METH_O, NULL}, {"crash", crash, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "secrets_c", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_secrets_c(void)
{
    return PyType_Ready(&AccountType) < 0 ? NULL : PyModule_Create(&module);
}
