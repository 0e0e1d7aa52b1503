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
#: frame: relay parts/relay.py %2
#: frame[<3.14]: <module> <string> %2
#: frame[>=3.14]: <module> <script> %2
#: frame: start @start %0
#: frame: <module> @main %0
#: native: crashext_add in crashext.so
#: native: crashext_null_deref in crashext.so
#: argument: serve request = 'hello'
#: argument: relay interpreter = 1
#: argument: start interpreter = 1
"""A crash in an interpreter that a younger one runs, inside of the main one."""

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters


OLDER = interpreters.create()  # they live as long as these do
YOUNGER = interpreters.create()


def start(interpreter):
    interpreters.run_string(YOUNGER, f"import parts.relay; parts.relay.relay({interpreter})")  #@start


start(int(OLDER))  #@main
