"""The Python half of the fault matrix: `faults.py NAME` brings the interpreter into one situation and dies there.

What it prints and how it ends must be the same with and without coldframe.
"""

import atexit
import ctypes
import faulthandler
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time


def crash():
    ctypes.string_at(0x28)


def crash_without_the_gil():
    ctypes.CDLL(None).memset(0x28, 1, 1)


def crash_with_the_gil():
    ctypes.PyDLL(None).memset(0x28, 1, 1)


def null():
    crash()


def without_the_gil():
    crash_without_the_gil()


def with_the_gil():
    crash_with_the_gil()


def aborts():
    os.abort()


def fatal_error():
    ctypes.pythonapi.Py_FatalError(b"planted")


def in_a_thread():
    thread = threading.Thread(target=crash)
    thread.start()
    thread.join()


def overflow():
    faulthandler._stack_overflow()


def overflow_in_a_thread():
    thread = threading.Thread(target=faulthandler._stack_overflow)
    thread.start()
    thread.join()


def during_import():
    with open("crashing_module.py", "w") as file:
        file.write("import ctypes\nctypes.string_at(0x28)\n")
    sys.path.insert(0, os.getcwd())
    import crashing_module  # noqa: F401


class Finalised:
    # Bound here: globals are gone when the interpreter ends.
    def __del__(self, memset=ctypes.PyDLL(None).memset):
        memset(0x28, 1, 1)


def during_collection():
    cycle = Finalised()
    cycle.itself = cycle
    del cycle
    gc.collect()


def in_a_collection_callback():
    gc.callbacks.append(lambda phase, info: crash())
    gc.collect()


def during_finalisation():
    sys.kept_until_the_end = Finalised()


def at_exit():
    atexit.register(crash)


def in_a_signal_handler():
    signal.signal(signal.SIGUSR1, lambda *_: crash())
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(10)


def eight_at_once():
    barrier = threading.Barrier(8)

    def body():
        barrier.wait()
        crash_without_the_gil()

    for _ in range(7):
        threading.Thread(target=body).start()
    body()


def while_threads_run():
    def spin():
        while True:
            sum(range(1000))

    for _ in range(4):
        threading.Thread(target=spin, daemon=True).start()
    time.sleep(0.05)
    crash()


def report_child(pid):
    print("a child ended by signal", os.waitpid(pid, 0)[1] & 127, flush=True)


def right_after_fork():
    pid = os.fork()
    if pid == 0:
        crash()
    report_child(pid)


def multiprocessing_by_fork():
    multiprocess("fork")


def multiprocessing_by_spawn():
    multiprocess("spawn")


def multiprocess(method):
    process = multiprocessing.get_context(method).Process(target=crash)
    process.start()
    process.join()
    print(process.exitcode, flush=True)


def grandchild_elsewhere():
    code = "import ctypes; ctypes.string_at(0x28)"
    inner = f"import subprocess, sys; print(subprocess.run([sys.executable, '-c', {code!r}], cwd='/').returncode)"
    print(subprocess.run([sys.executable, "-c", inner]).returncode, flush=True)


# -- Neighbours: who else has a handler


def faulthandler_before():
    # The row sets PYTHONFAULTHANDLER, which enables it when the interpreter starts.
    crash()


def faulthandler_after():
    faulthandler.enable()
    crash()


def faulthandler_after_and_abort():
    faulthandler.enable()
    os.abort()


def faulthandler_disabled_again():
    faulthandler.enable()
    faulthandler.disable()
    crash()


def handler_of_abort():
    """A gunicorn worker that is sent SIGABRT after a timeout: its own handler ends it in order."""
    signal.signal(signal.SIGABRT, lambda *_: sys.exit(1))
    os.kill(os.getpid(), signal.SIGABRT)
    time.sleep(10)


def handler_of_abort_and_abort():
    signal.signal(signal.SIGABRT, lambda *_: print("never run"))
    os.abort()


def handler_of_segv_restored():
    previous = signal.signal(signal.SIGSEGV, lambda *_: None)
    print(previous, signal.getsignal(signal.SIGSEGV) is not None, flush=True)
    signal.signal(signal.SIGSEGV, previous)
    crash()


def handler_of_segv_sent():
    """Sent, not raised by a fault: the program's own handler runs, and nothing died."""
    signal.signal(signal.SIGSEGV, lambda *_: print("handled", flush=True))
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(0.01)


def default_restored():
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    crash()


def ignored_abort():
    signal.signal(signal.SIGABRT, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGABRT)
    print("ignored", flush=True)


def child_of_a_handler():
    """subprocess resets dispositions in its vfork child, which shares the parent's memory."""
    faulthandler.enable()
    subprocess.run([sys.executable, "-c", "pass"], start_new_session=True)
    print(faulthandler.is_enabled(), flush=True)
    crash()


def little_memory_left():
    """The memory cgroup has room for FAULTS_LEFT megabytes after this."""
    left, limit = (int(os.environ[name]) << 20 for name in ("FAULTS_LEFT", "FAULTS_LIMIT"))
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * 4096
    ballast = bytearray(limit - left - resident)
    for at in range(0, len(ballast), 4096):
        ballast[at] = 1
    crash()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
