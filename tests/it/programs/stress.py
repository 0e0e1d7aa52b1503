"""tests/stress: starts crashing programs under `coldframe run` and looks at how they end.

As a child it is such a program: threads that compute, allocate, fork and wait, one of which faults after a random time.
"""

import collections
import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
import time

LIMIT_S = 10


def program(seed):
    choose = random.Random(seed)
    end = time.monotonic() + choose.uniform(0, 0.15)
    crashes = [
        lambda: ctypes.string_at(0x28),
        lambda: ctypes.CDLL(None).memset(0x28, 1, 1),
        os.abort,
        lambda: ctypes.CDLL(None).free(ctypes.addressof(ctypes.create_string_buffer(100)) + 8),
        lambda: os.kill(os.getpid(), signal.SIGFPE),
    ]
    crash = choose.choice(crashes)

    def compute():
        while True:
            sorted(range(1000), key=lambda n: -n)

    def allocate():
        while True:
            [bytearray(choose.randrange(1, 200000)) for _ in range(20)]

    def fork():
        while True:
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)

    def spawn():
        while True:
            subprocess.run(["/bin/true"])

    def start():
        while True:
            thread = threading.Thread(target=time.sleep, args=(0.0001,))
            thread.start()
            thread.join()

    def fault():
        time.sleep(max(0, end - time.monotonic()))
        crash()

    bodies = [choose.choice([compute, allocate, fork, spawn, start]) for _ in range(choose.randrange(1, 6))]
    bodies += [fault] * choose.choice([1, 1, 1, 3])
    for body in bodies:
        threading.Thread(target=body, daemon=True).start()
    time.sleep(60)


EXPECTED = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGFPE}


def run(coldframe, folder, seed):
    dumps = f"{folder}/{seed}"
    command = [sys.executable, __file__, "--program", str(seed)]
    began = time.monotonic()
    process = subprocess.Popen(
        [coldframe, "run", "--report", "none", "-o", dumps, "--"] + command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "COLDFRAME_CACHE": f"{folder}/cache"},
        start_new_session=True,
    )
    try:
        stderr = process.communicate(timeout=60)[1].decode(errors="replace")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return "HANGS", 60, ""
    took = time.monotonic() - began
    files = os.listdir(dumps) if os.path.isdir(dumps) else []
    status = process.returncode
    left = "+".join(sorted(name.rsplit(".", 1)[1] for name in files)) or "nothing"
    for name in files:
        os.unlink(f"{dumps}/{name}")
    word = "ok" if status in EXPECTED else f"STATUS {status}"
    return f"{word}, {left}", took, stderr


def main():
    coldframe, folder, runs, megabytes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    results, slowest, bad = collections.Counter(), 0.0, []
    first = random.randrange(1 << 30)
    for seed in range(first, first + runs):
        verdict, took, stderr = run(coldframe, folder, seed)
        results[verdict] += 1
        slowest = max(slowest, took)
        if not verdict.startswith("ok") or took > LIMIT_S + 1:
            bad.append(f"seed {seed}: {verdict}, {took:.1f} s: {stderr[-300:]}")
    for verdict, count in sorted(results.items()):
        print(f"{count:6} {verdict}")
    print(f"slowest {slowest:.1f} s")
    if megabytes:
        environment = {**os.environ, "FAULTS_MEGABYTES": str(megabytes), "COLDFRAME_CACHE": f"{folder}/cache"}
        program = [f"{folder}/faults", "large"]
        began = time.monotonic()
        plain = subprocess.run(program, env=environment).returncode
        middle = time.monotonic()
        command = [coldframe, "run", "--report", "none", "-o", f"{folder}/large", "--"] + program
        captured = subprocess.run(command, env=environment).returncode
        more = time.monotonic() - middle - (middle - began)
        left = os.listdir(f"{folder}/large") if os.path.isdir(f"{folder}/large") else []
        print(f"{megabytes} MB resident: status {plain} and {captured}, {more:+.2f} s, {left}")
        if plain != captured or len(left) != 1:
            bad.append("large process")
    print("\n".join(bad))
    sys.exit(bool(bad))


if __name__ == "__main__":
    if sys.argv[1] == "--program":
        program(int(sys.argv[2]))
    else:
        main()
