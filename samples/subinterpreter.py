#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x10
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: build: cc -g -O0 -fPIC -shared -fno-stack-protector -I{include} -o {out}/crashext.so native/crashext.c
#: frame: serve parts/tenant.py %1
#: frame: run parts/tenant.py %1
#: frame[<3.14]: <module> <string> %1
#: frame[>=3.14]: <module> <script> %1
#: frame: start @start %0
#: frame: <module> @main %0
#: native: crashext_add in crashext.so
#: native: crashext_null_deref in crashext.so
#: argument: serve request = 'hello'
#: local: serve answer = 'HELLO'
#: argument: start tenant = 'acme'
"""A crash in a subinterpreter that runs in the main thread; from 3.12 on it has a GIL of its own."""

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters


INTERPRETER = interpreters.create()  # it lives as long as this does


def start(tenant):
    interpreters.run_string(INTERPRETER, "import parts.tenant; parts.tenant.run()")  #@start


start("acme")  #@main
