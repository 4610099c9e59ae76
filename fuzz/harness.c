/* libFuzzer's entry point: hands each input to target.one_input of an embedded Python.
 *
 * The compiled path is a shared library built with the same sanitizers and with coverage, so the
 * fuzzer sees its branches; Python itself is not instrumented. An exception is a finding.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>

static PyObject *one_input;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    Py_Initialize();
    PyObject *module = PyImport_ImportModule("target");
    if (module == NULL || (one_input = PyObject_GetAttrString(module, "one_input")) == NULL) {
        PyErr_Print();
        exit(1);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    PyObject *result = PyObject_CallFunction(one_input, "y#", (const char *)data, (Py_ssize_t)size);
    if (result == NULL) {
        PyErr_Print();
        abort();
    }
    Py_DECREF(result);
    return 0;
}
