/* A program that is not Python and has one inside: `embed MODULE` imports a module and calls its function `handle`
   with the name of an order. With LIBPYTHON defined it opens that library by itself, as plugin hosts do; else it is
   linked with it. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifdef LIBPYTHON
#include <dlfcn.h>
#define GET(name) ((__typeof__(&name))dlsym(library, #name))
#else
#define GET(name) (&name)
#endif

void *library;

/* Plain functions, so that they show by name in native stacks. */
PyObject *embed_request(PyObject *module)
{
    return GET(PyObject_CallMethod)(module, "handle", "s", "order 7");
}

int embed_run(const char *name)
{
    PyObject *module = GET(PyImport_ImportModule)(name);
    PyObject *answer = module ? embed_request(module) : NULL;
    if (answer == NULL)
        GET(PyErr_Print)();
    return answer == NULL;
}

int main(int argc, char **argv)
{
#ifdef LIBPYTHON
    /* Extension modules find its symbols only when they are global. */
    library = dlopen(LIBPYTHON, RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL)
        return fprintf(stderr, "%s\n", dlerror()), 2;
#endif
    GET(Py_Initialize)();
    /* A copy: what lies beside the environment is in no dump. */
    char name[64];
    snprintf(name, sizeof name, "%s", argc > 1 ? argv[1] : "");
    int failed = embed_run(name);
    GET(Py_Finalize)();
    return failed;
}
