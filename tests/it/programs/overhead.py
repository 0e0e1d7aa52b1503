"""tests/overhead: what the handler costs a program, with and without `coldframe run`.

usage: overhead.py COLDFRAME FOLDER [RUNS]

As a child it is such a program: so many megabytes resident, so many threads that wait, a crash.
"""

import ctypes
import json
import mmap
import os
import statistics
import subprocess
import sys
import threading
import time

SIZES = [(10, 1), (100, 1), (1000, 1), (4000, 1), (10, 10), (10, 100), (10, 1000)]
STEADY = {
    "a loop of pure Python": "n = 0\nfor i in range(3000000): n += i",
    "100,000 system calls": "import os\nfor i in range(100000): os.getppid()",
    "2,000 threads": "import threading\nfor i in range(2000):\n t = threading.Thread(target=int); t.start(); t.join()",
    "100 processes": "import subprocess\nfor i in range(100): subprocess.run(['/bin/true'])",
}


def program(megabytes, threads):
    memory = mmap.mmap(-1, megabytes << 20)
    for at in range(0, megabytes << 20, mmap.PAGESIZE):
        memory[at] = 1
    for _ in range(threads - 1):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    print(time.monotonic_ns(), flush=True)
    ctypes.string_at(0)


def row(name, without, with_, unit, scale):
    middle = statistics.median(b - a for a, b in zip(without, with_)) * scale
    least = [min(values) * scale for values in (without, with_)]
    print(f"| {name} | {least[0]:.2f} | {least[1]:.2f} | {least[1] - least[0]:+.2f} | {middle:+.2f} | {unit} |", flush=True)


def main():
    coldframe, folder, runs = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 11
    base = {**os.environ, "COLDFRAME_CACHE": f"{folder}/cache"}
    command = [coldframe, "env", "--format", "json", "--report", "none", "-o", f"{folder}/dumps"]
    facts = json.loads(subprocess.run(command, env=base, stdout=subprocess.PIPE, check=True).stdout)
    environments = [base, {**base, **facts["variables"]}]
    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def pairs(arguments):
        times = [[], []]
        for _ in range(runs):
            for environment, list_ in zip(environments, times):
                began = time.monotonic()
                subprocess.run(arguments, env=environment, check=True, **quiet)
                list_.append(time.monotonic() - began)
        return times

    load = ", ".join(f"{value:.0f}" for value in os.getloadavg())
    print(f"{runs} pairs, of crashes half as many; load average {load} at the start.\n")
    print("| | least without | least with | difference | median difference | |\n|---|---|---|---|---|---|")
    row("start of `true`", *pairs(["/bin/true"]), "ms", 1000)
    row("start of Python", *pairs([sys.executable, "-I", "-c", "pass"]), "ms", 1000)
    for name, text in STEADY.items():
        row(name, *pairs([sys.executable, "-I", "-c", text]), "ms", 1000)
    for megabytes, threads in SIZES:
        times = [[], []]
        for _ in range(max(3, runs // 2)):
            for environment, list_ in zip(environments, times):
                arguments = [sys.executable, __file__, "--program", str(megabytes), str(threads)]
                process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, **quiet)
                fault = int(process.stdout.readline())
                process.wait()
                list_.append(time.monotonic_ns() - fault)
        row(f"from fault to end: {megabytes} MB, {threads} threads", *times, "ms", 1e-6)


if __name__ == "__main__":
    if sys.argv[1] == "--program":
        program(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
