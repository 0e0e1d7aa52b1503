#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x10
#: ends: signal SIGSEGV
#: thread: tenant
#: finding: null-deref certain
#: build: cc -g -O0 -fPIC -shared -fno-stack-protector -I{include} -o {out}/crashext.so native/crashext.c
#: frame: serve parts/tenant.py %1
#: frame: run parts/tenant.py %1
#: frame[<3.14]: <module> <string> %1
#: frame[>=3.14]: <module> <script> %1
#: frame: start @start %0
#: frame: run threading.py %0
#: frame: _bootstrap_inner threading.py %0
#: frame: _bootstrap threading.py %0
#: native: crashext_add in crashext.so
#: native: crashext_null_deref in crashext.so
#: argument: serve request = 'hello'
#: argument: start tenant = 'acme'
#: other: main main @join
"""A crash in a subinterpreter that the main thread made and another thread runs."""

import threading
import time

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters


INTERPRETER = interpreters.create()  # it lives as long as this does


def start(tenant, interpreter):
    time.sleep(0.3)  # until the main thread waits
    interpreters.run_string(interpreter, "import parts.tenant; parts.tenant.run()")  #@start


def main():
    thread = threading.Thread(target=start, args=("acme", int(INTERPRETER)), name="tenant")
    thread.start()
    thread.join()  #@join


main()
