"""tests/neighbours: programs that have handlers, workers and signals of their own, with and without `coldframe run`.

usage: neighbours.py COLDFRAME PYTHON FOLDER [ROW...]

Each row crashes (or hangs) something for real and says what must be left. It passes when the programs end as without
coldframe, and each crash left one dump that names the function.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

LIMIT_S = 60
CRASH = "import ctypes\ndef crash():\n    ctypes.string_at(0)\n"

WSGI = (
    CRASH
    + """
import time
def hang():
    time.sleep(120)
def application(environ, start_response):
    {"/crash": crash, "/hang": hang}.get(environ["PATH_INFO"], int)()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
)
ASGI = (
    CRASH
    + """
import time
def hang():
    time.sleep(120)
async def application(scope, receive, send):
    {"/crash": crash, "/hang": hang}.get(scope.get("path"), int)()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""
)
TASKS = (
    CRASH
    + """
from celery import Celery
for name in ("in", "done"):
    __import__("os").makedirs("queue/" + name, exist_ok=True)
app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": "queue/in", "data_folder_out": "queue/in", "processed_folder": "queue/done"
}
@app.task
def work():
    crash()
"""
)

# Programs that simply end: the modules that they need, and what they do.
PROGRAMS = {
    "gevent": (["gevent"], "from gevent import monkey; monkey.patch_all()\nimport gevent\ngevent.spawn(crash).join()"),
    "uvloop": (
        ["uvloop"],
        "import asyncio, uvloop\nasync def main():\n    asyncio.get_running_loop().call_soon(crash)\n"
        "    await asyncio.sleep(9)\nuvloop.run(main())",
    ),
    "numba": (
        ["numba"],
        "import numba\n@numba.njit\ndef total(n):\n    s = 0\n    for i in range(n):\n        s += i\n    return s\n"
        "assert total(10) == 45\ncrash()",
    ),
    "numba, in compiled code": (
        ["numba"],
        "import numba\nfrom numba import types, carray\n@numba.cfunc(types.double(types.CPointer(types.double)))\n"
        "def read(p):\n    return carray(p, 8)[5]\ndef crash():\n    print(read.ctypes(None))\ncrash()",
    ),
    "PyTorch, beside its threads": (["torch"], "import torch\ntorch.ones(1000, 1000) @ torch.ones(1000, 1000)\ncrash()"),
    "PyTorch, in a worker of its DataLoader": (
        ["torch"],
        "import torch.utils.data\nclass Items(torch.utils.data.Dataset):\n    def __len__(self):\n        return 4\n"
        "    def __getitem__(self, index):\n        crash()\n"
        "try:\n    next(iter(torch.utils.data.DataLoader(Items(), num_workers=1)))\nexcept RuntimeError as error:\n"
        "    raise SystemExit(7)",
    ),
    "Go (c-shared), 1,000 null checks": (["/go"], "import go_library\nprint(go_library.recovered(1000), flush=True)\ncrash()"),
    "Java (JPype), 10,000 null checks": (
        ["jpype"],
        "import jpype\njpype.startJVM('-XX:ErrorFile=/dev/null')\nString = jpype.JClass('java.lang.String')\n"
        "objects = jpype.JClass('java.util.Objects')\nfor i in range(10000):\n    try:\n"
        "        String.valueOf(jpype.JObject(None, jpype.JArray(jpype.JChar)))\n    except Exception:\n        pass\n"
        "print('went on', flush=True)\ncrash()",
    ),
    "pytest's faulthandler": (["pytest"], None),
    "faulthandler before": ([], "import faulthandler; faulthandler.enable()\ncrash()"),
    "concurrent.futures": (
        [],
        "from concurrent.futures import ProcessPoolExecutor\n"
        "if __name__ == '__main__':\n    try:\n        ProcessPoolExecutor(1).submit(crash).result()\n"
        "    except Exception as error:\n        raise SystemExit(type(error).__name__)",
    ),
}

GO = """package main

import "C"

//export Recovered
func Recovered(n C.int) (count C.int) {
	for i := 0; i < int(n); i++ {
		func() {
			defer func() {
				if recover() != nil {
					count++
				}
			}()
			var p *int
			*p = 1
		}()
	}
	return
}

func main() {}
"""

# Servers: modules, files, command, and what is asked of them with the function that a dump must name.
SERVERS = {
    "gunicorn sync": (["gunicorn"], WSGI, ["-m", "gunicorn", "--timeout", "2", "-k", "sync"], ["crash", "hang"]),
    "gunicorn gthread": (
        ["gunicorn"],
        WSGI,
        ["-m", "gunicorn", "--timeout", "2", "-k", "gthread", "--threads", "2"],
        ["crash"],
    ),
    "gunicorn gevent": (
        ["gunicorn", "gevent"],
        WSGI,
        ["-m", "gunicorn", "--timeout", "2", "-k", "gevent"],
        ["crash"],
    ),
    "gunicorn uvicorn": (
        ["gunicorn", "uvicorn"],
        ASGI,
        ["-m", "gunicorn", "--timeout", "2", "-k", "uvicorn.workers.UvicornWorker"],
        ["crash", "hang"],
    ),
    # Its own handler of SIGSEGV ends the process by exit(1), or by abort().
    "uWSGI": (["pyuwsgi"], WSGI, ["uwsgi"], ["crash"]),
    "uWSGI --use-abort": (["pyuwsgi"], WSGI, ["uwsgi", "--use-abort"], ["crash"]),
}


class Place:
    """A folder for one run of one row."""

    def __init__(self, coldframe, folder, is_captured):
        os.makedirs(folder)
        self.folder, self.dumps = folder, f"{folder}/dumps"
        self.coldframe = coldframe
        run = [coldframe, "run", "--report", "none", "-o", self.dumps, "--"]
        self.prefix = run if is_captured else []

    def write(self, name, text):
        with open(f"{self.folder}/{name}", "w") as file:
            file.write(text)

    def start(self, command):
        self.output = open(f"{self.folder}/output", "wb")
        return subprocess.Popen(
            self.prefix + command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def end(self, process):
        try:
            return process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return "HANGS"

    def crashed_in(self):
        """The functions of the crashed thread of each dump."""
        stacks = []
        for name in sorted(os.listdir(self.dumps)) if os.path.isdir(self.dumps) else []:
            command = [self.coldframe, "analyze", "--format", "json", f"{self.dumps}/{name}"]
            report = json.loads(subprocess.run(command, stdout=subprocess.PIPE).stdout)
            crashed = [thread for thread in report["threads"] if thread.get("crashed")]
            stacks.append([frame.get("function") for thread in crashed for frame in thread["frames"]])
        return stacks


def go_library(folder):
    """A library in Go with the module that loads it, below a folder for PYTHONPATH."""
    os.makedirs(folder)
    with open(f"{folder}/library.go", "w") as file:
        file.write(GO)
    with open(f"{folder}/go_library.py", "w") as file:
        file.write(f"import ctypes\nrecovered = ctypes.CDLL('{folder}/library.so').Recovered\n")
    environment = dict(os.environ, GO111MODULE="off", GOCACHE=f"{folder}/cache")
    command = ["go", "build", "-buildmode=c-shared", "-o", "library.so", "library.go"]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    os.environ["PYTHONPATH"] = folder


def is_there(python, module):
    if module.startswith("/"):
        return shutil.which(module[1:]) is not None
    # Its module cannot be imported twice.
    name = f"importlib.util.find_spec('{module}')"
    return subprocess.run([python, "-c", f"import importlib.util\nassert {name}"], stderr=subprocess.DEVNULL).returncode == 0


def until(what, is_so):
    end = time.monotonic() + LIMIT_S
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


def ask(port, path):
    """The status line of a request; empty where the worker died over it."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as connection:
            connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(64).split(b"\r\n")[0].decode()
    except OSError:
        return ""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def serve(place, python, source, command, questions):
    place.write("app.py", source)
    port = free_port()
    if command[0] == "uwsgi":
        uwsgi = os.path.join(os.path.dirname(python), "uwsgi")
        options = command[1:] + ["--master", "--processes", "1", "--wsgi-file", "app.py", "--die-on-term"]
        process = place.start([uwsgi, "--http-socket", f"127.0.0.1:{port}"] + options)
    else:
        process = place.start([python] + command + ["-w", "1", "-b", f"127.0.0.1:{port}", "app:application"])
    answers = []
    try:
        until("it answers", lambda: ask(port, "").endswith("200 OK"))
        for question in questions:
            answers.append(ask(port, question))
            until("another worker answers", lambda: ask(port, "").endswith("200 OK"))
    except TimeoutError as error:
        answers.append(f"not so: {error}")
    process.terminate()
    return place.end(process), answers


def celery(place, python):
    place.write("tasks.py", TASKS)
    subprocess.run([python, "-c", "import tasks; tasks.work.delay()"], cwd=place.folder, check=True)
    process = place.start([python, "-m", "celery", "-A", "tasks", "worker", "-P", "prefork", "-c", "1", "-l", "error"])
    answers = []
    try:
        until("the loss is noticed", lambda: b"WorkerLostError" in open(f"{place.folder}/output", "rb").read())
    except TimeoutError as error:
        answers.append(f"not so: {error}")
    process.terminate()
    return place.end(process), answers


def program(place, python, text):
    if text is None:
        place.write("test_it.py", CRASH + "def test_it():\n    crash()\n")
        return place.end(place.start([python, "-m", "pytest", "-q", "test_it.py"])), []
    place.write("program.py", CRASH + text)
    return place.end(place.start([python, "program.py"])), []


def main():
    coldframe, python, folder, only = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    rows = [(name, modules, lambda place, text=text: program(place, python, text), ["crash"]) for name, (modules, text) in PROGRAMS.items()]
    for name, (modules, source, command, questions) in SERVERS.items():
        rows.append((name, modules, lambda place, a=(source, command, questions): serve(place, python, *a), questions))
    rows.append(("celery prefork", ["celery"], lambda place: celery(place, python), ["crash"]))
    failed = 0
    print("| neighbour | ends without | ends with | dumps name | |\n|---|---|---|---|---|", flush=True)
    for number, (name, modules, run, wanted) in enumerate(rows):
        if only and not any(word in name for word in only):
            continue
        lacking = [module for module in modules if not is_there(python, module)]
        if lacking:
            print(f"| {name} | | | | SKIP: there is no {', '.join(lacking)} |", flush=True)
            continue
        if "/go" in modules:
            go_library(f"{folder}/go")
        ends = []
        for kind in ("without", "with"):
            place = Place(coldframe, f"{folder}/{number}-{kind}", kind == "with")
            ends.append(run(place))
        stacks = place.crashed_in()
        named = [next((word for word in wanted if word in stack), "?") for stack in stacks]
        is_fine = ends[0] == ends[1] and sorted(named) == sorted(wanted)
        failed += not is_fine
        shown = [f"{status} {' '.join(filter(None, answers))}".strip() for status, answers in ends]
        print(f"| {name} | {shown[0]} | {shown[1]} | {' '.join(named)} | {'ok' if is_fine else 'NOT AS IT SHOULD BE'} |", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
