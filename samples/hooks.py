#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: frame: total @crash
#: frame: main @total
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: trace: main trace_line
#: profile: main Profiler.event
#: tool[>=3.12]: a coverage tool
#: instrumented[>=3.12]: total
#: instrumented[>=3.12]: main
#: instrumented[>=3.12]: <module>
"""A crash while the program is traced, profiled and monitored."""

import sys
from ctypes import memset

import oracle


def trace_line(frame, event, argument):
    return trace_line


class Profiler:
    def event(self, frame, event, argument):
        pass


def total(rows):
    oracle.record()
    memset(0, 0, 1)  #@crash


def main():
    if hasattr(sys, "monitoring"):  # 3.12+
        sys.monitoring.use_tool_id(3, "a coverage tool")
        sys.monitoring.register_callback(3, sys.monitoring.events.LINE, lambda code, line: None)
        sys.monitoring.set_events(3, sys.monitoring.events.LINE)
    sys.setprofile(Profiler().event)
    sys.settrace(trace_line)
    total([1, 2])  #@total


main()  #@main
