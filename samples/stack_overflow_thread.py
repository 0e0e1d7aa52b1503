#: signal: SIGSEGV
#: ends: signal SIGSEGV
#: thread: walker
#: finding: stack-overflow certain
#: build: cc -g -O0 -fPIC -shared -fno-stack-protector -I{include} -o {out}/crashext.so native/crashext.c
#: frame: descend @crash
#: frame: run threading.py
#: frame: _bootstrap_inner threading.py
#: frame: _bootstrap threading.py
#: native: crashext_recurse in crashext.so *>5000
#: native: crashext_overflow in crashext.so
#: argument: descend name = 'tree'
#: other: main main @join
"""The same in a thread, whose stack the C library made: its guard is a mapping, or, from glibc 2.42 on, part of one."""

import threading
import time

import crashext
import oracle


def descend(name):
    time.sleep(0.3)  # until the other waits
    oracle.record()
    crashext.overflow()  #@crash


def main():
    threading.stack_size(1 << 20)
    walker = threading.Thread(target=descend, args=("tree",), name="walker")
    walker.start()
    walker.join()  #@join


main()
