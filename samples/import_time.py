#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: frame: connect parts/settings.py
#: frame: <module> parts/settings.py
#: frame: _call_with_frames_removed <frozen importlib._bootstrap>
#: frame: exec_module <frozen importlib._bootstrap_external>
#: frame: _load_unlocked <frozen importlib._bootstrap>
#: frame: _find_and_load_unlocked <frozen importlib._bootstrap>
#: frame: _find_and_load <frozen importlib._bootstrap>
#: frame: load @import
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: argument: connect url = 'db://localhost'
#: argument: load name = 'settings'
"""A module crashes while it is imported by another one, in a call at its top level."""


def load(name):
    import parts.settings  #@import


load("settings")  #@main
