"""Run inside of a subinterpreter by subinterpreter_nested.py."""

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters


def relay(interpreter):
    interpreters.run_string(interpreter, "import parts.tenant; parts.tenant.run()")
