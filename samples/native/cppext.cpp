// An extension module whose C++ exception nobody catches: CPython's frames are C, so the search for a handler
// reaches the end of the stack and the runtime calls std::terminate with the throwing frames still there.

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <map>
#include <stdexcept>
#include <string>

namespace stock {

class Inventory {
public:
    long price(const std::string &item) const
    {
        auto found = prices.find(item);
        if (found == prices.end())
            throw std::out_of_range("no price for " + item);
        return found->second;
    }

private:
    std::map<std::string, long> prices{{"apple", 3}};
};

} // namespace stock

static PyObject *cppext_price(PyObject *, PyObject *item)
{
    stock::Inventory inventory;
    return PyLong_FromLong(inventory.price(PyUnicode_AsUTF8(item)));
}

static PyMethodDef methods[] = {
    {"price", cppext_price, METH_O, "Price of an item; throws when there is none."},
    {nullptr, nullptr, 0, nullptr},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "cppext", nullptr, -1, methods};

PyMODINIT_FUNC PyInit_cppext()
{
    return PyModule_Create(&module);
}
