#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x10
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: finding: import-time likely
#: build: cc -g -O0 -fPIC -shared -I{include} -o {out}/initext.so native/initext.c
#: frame: _call_with_frames_removed <frozen importlib._bootstrap>
#: frame: create_module <frozen importlib._bootstrap_external>
#: frame: module_from_spec <frozen importlib._bootstrap>
#: frame: _load_unlocked <frozen importlib._bootstrap>
#: frame: _find_and_load_unlocked <frozen importlib._bootstrap>
#: frame: _find_and_load <frozen importlib._bootstrap>
#: frame: load @crash
#: frame: <module> @main
#: native: initext_setup in initext.so
#: native: PyInit_initext in initext.so
#: argument: load name = 'initext'
"""The init function of an extension module crashes, in the middle of its import."""

import oracle


def load(name):
    oracle.record()
    import initext  #@crash


load("initext")  #@main
