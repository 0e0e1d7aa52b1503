"""The walk over CPython's structures that the gdb and the lldb helper share.

Each file is one part of the generated helper: `coldframe helpers` puts them together, in the order of PARTS in
src/helpers/mod.rs, behind the tables of src/layout, and leaves out the imports between them.

Invariant: nothing here knows a debugger; memory is read through Memory, everything else is asked of a Debugger
(debugger.py). No version of CPython is compared: behaviour comes from the tables.
"""
