#!/usr/bin/env python3
"""Fills fuzz/corpus with small true inputs, for libFuzzer to start from.

usage: fuzz/seeds.py [PYTHON ...]

Made from what this machine has: the Pythons given (python3 where none is), a C compiler, gdb, packers. What is missing
is said and left out. Needs `cargo build` to have been run, for target/debug/coldframe.
"""

import ctypes
import os
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "corpus")
COLDFRAME = os.path.join(HERE, "..", "target", "debug", "coldframe")
# libFuzzer makes no progress on inputs of megabytes.
LARGEST = 256 * 1024


def put(target, name, data):
    folder = os.path.join(CORPUS, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data[:LARGEST])


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def has(tool):
    if shutil.which(tool):
        return True
    print("without", tool)
    return False


# A build in miniature: structures and a runtime as CPython names them.
C_PROGRAM = r"""
#include <stdint.h>
#include <stdlib.h>
typedef struct _object { intptr_t ob_refcnt; struct _typeobject *ob_type; } PyObject;
typedef struct { PyObject ob_base; intptr_t ob_size; } PyVarObject;
typedef struct _typeobject { PyVarObject ob_base; const char *tp_name; intptr_t tp_basicsize; } PyTypeObject;
struct _frame { PyVarObject b; struct _frame *f_back; PyObject *f_code; int f_lasti; PyObject *f_localsplus[1]; };
typedef struct _ts { struct _ts *prev, *next; struct _is *interp; struct _frame *frame; unsigned long thread_id; } PyThreadState;
typedef struct _is { struct _is *next; PyThreadState *tstate_head; int64_t id; union { int a; struct { int x; }; }; } PyInterpreterState;
typedef struct _Py_DebugOffsets { char cookie[8]; uint64_t version, free_threaded;
    struct { uint64_t size, finalizing, interpreters_head; } runtime_state; } _Py_DebugOffsets;
typedef struct pyruntimestate { _Py_DebugOffsets debug_offsets; struct { PyInterpreterState *head, *main; } interpreters; } _PyRuntimeState;
__attribute__((section(".PyRuntime"))) _PyRuntimeState _PyRuntime = {{ "xdebugpy", 0x030d00f0, 0, { 440, 8, 16 } }};
const unsigned long Py_Version = 0x030d00f0;
PyTypeObject PyType_Type = {{{1, &PyType_Type}, 0}, "type", 8};
PyThreadState thread; struct _frame frame;
static int inner(int n) { return n ? inner(n - 1) + 1 : *(volatile int *)(uintptr_t)n; }
int main(int argc, char **argv) { return argc > 1 ? inner(argc) : 0; }
"""

SECTIONS = [".debug_abbrev", ".debug_info", ".debug_str", ".debug_str_offsets", ".debug_line_str", ".debug_types"]


def elf_files(folder):
    """elf, dwarf_layout, and a core of the program."""
    if not (has("gcc") and has("objcopy")):
        return
    source = os.path.join(folder, "python3.13.c")
    with open(source, "w") as file:
        file.write(C_PROGRAM)
    variants = {
        "dwarf5": ["-g", "-gdwarf-5"],
        "dwarf4": ["-g", "-gdwarf-4", "-fdebug-types-section"],
        "types": ["-g", "-gdwarf-5", "-fdebug-types-section"],
        "compressed": ["-g", "-gz=zlib"],
        "bare": ["-s"],
        "shared": ["-g1", "-shared", "-fPIC"],
    }
    for name, flags in variants.items():
        program = os.path.join(folder, "python3.13-" + name)
        if run("gcc", source, "-o", program, *flags).returncode != 0:
            print("without", name)
            continue
        with open(program, "rb") as file:
            put("elf", name, file.read())
        parts = []
        for section in SECTIONS:
            part = os.path.join(folder, "section")
            open(part, "wb").close()
            run("objcopy", "-O", "binary", "--set-section-flags", section + "=alloc", "-j", section, program, part)
            with open(part, "rb") as file:
                data = file.read()
            parts.append(struct.pack("<I", len(data)) + data)
        if name != "compressed":
            put("dwarf_layout", name, b"".join(parts))
        if name == "dwarf5" and has("gdb"):
            core = os.path.join(folder, "core")
            run("gdb", "-q", "-batch", "-ex", "run x", "-ex", "gcore " + core, program)
            if os.path.exists(core):
                with open(core, "rb") as file:
                    put("core", "gcore", file.read())
        if name == "dwarf5":
            dump = os.path.join(folder, "c-dumps")
            run(COLDFRAME, "run", "--report", "none", "-o", dump, "--", program, "x")
            take_dumps(dump, "c")


def take_dumps(folder, name):
    for file_name in os.listdir(folder) if os.path.isdir(folder) else []:
        kind = {".dmp": "minidump", ".rec": "record"}.get(os.path.splitext(file_name)[1])
        with open(os.path.join(folder, file_name), "rb") as file:
            data = file.read()
        # A dump that is cut is another input, but not a whole analysis.
        if kind and len(data) <= LARGEST:
            put(kind, name, data)
        elif kind:
            print(name, "is too large:", len(data))


def dumps(folder, python, version):
    samples = os.path.join(HERE, "..", "samples")
    for sample in ["values.py", "coroutine.py", "thread.py"]:
        dump = os.path.join(folder, version + sample)
        run(COLDFRAME, "run", "--report", "none", "-o", dump, "--", python, os.path.join(samples, sample), timeout=60)
        take_dumps(dump, "%s-%s" % (version, sample))
    if version in ("3.8", "3.12"):
        core = os.path.join(folder, "core-" + version)
        code = "import os, time; print('x', flush=True); time.sleep(60)"
        process = subprocess.Popen([python, "-I", "-S", "-c", code], stdout=subprocess.PIPE)
        process.stdout.readline()
        if has("gcore"):
            run("gcore", "-o", core, str(process.pid))
            with open("%s.%d" % (core, process.pid), "rb") as file:
                put("core", "python" + version, file.read(LARGEST))
        process.kill()
        process.wait()


def packed(folder):
    text = os.path.join(folder, "text")
    with open(text, "wb") as file:
        file.write(b"".join(b"%d squared is %d\n" % (n, n * n) for n in range(400)) + bytes(3000))
    for tool, options in [
        ("gzip", ["-c"]),
        ("xz", ["-c", "-0"]),
        ("xz", ["-c", "-9", "--check=crc64"]),
        ("zstd", ["-c", "-q"]),
        ("zstd", ["-c", "-q", "-19", "--no-check"]),
        ("lz4", ["-c", "-q"]),
        ("lz4", ["-c", "-q", "-9", "-BD", "-B4"]),
    ]:
        if has(tool):
            put("unpack", "%s-%d" % (tool, len(options)), run(tool, *options, text).stdout)


def record(folder):
    """As a crash leaves it where no helper can be started: the helper is taken away."""
    program = os.path.join(folder, "python3.13-dwarf5")
    if not os.path.exists(program):
        return
    cache = os.path.join(folder, "cache")
    environment = dict(os.environ, COLDFRAME_CACHE=cache)
    run(COLDFRAME, "run", "--report", "none", "-o", folder, "--", program, env=environment)
    for root, _, files in os.walk(cache):
        if "libcoldframe_handler.so" in files:
            os.rename(os.path.join(root, "coldframe"), os.path.join(root, "coldframe-away"))
            handler = os.path.join(root, "libcoldframe_handler.so")
            dump = os.path.join(folder, "records")
            os.makedirs(dump)
            run(program, "x", env=dict(environment, LD_PRELOAD=handler, COLDFRAME_DIR=dump))
            take_dumps(dump, "c")
            return


# The rest runs inside each Python.


def line_tables(version):
    import ast
    import dis
    import statistics

    index = 0
    for module in (ast, dis, statistics):
        with open(module.__file__, encoding="utf-8") as file:
            stack = [compile(file.read(), module.__name__, "exec")]
        while stack and index < 40:
            code = stack.pop()
            table = getattr(code, "co_linetable", None) if sys.version_info >= (3, 10) else code.co_lnotab
            lasti = len(code.co_code) // 2 & ~1
            put("line_table", "%s-%d" % (version, index), struct.pack("<Ii", code.co_firstlineno, lasti) + table)
            index += 1
            stack.extend(const for const in code.co_consts if hasattr(const, "co_code"))


class Point:
    def __init__(self):
        self.x, self.y = 1, "two"


CHUNK, START, ROOTS = 64, 0x1000, 16


def heap(version):
    """Real objects, moved: whatever they point to, some steps deep, with all pointers changed accordingly."""
    maps = []
    with open("/proc/self/maps") as file:
        for line in file:
            range_, flags = line.split()[:2]
            if flags.startswith("r") and "[v" not in line:
                maps.append(tuple(int(part, 16) for part in range_.split("-")))
    objects = [
        [1, -2, 3 << 70, 1.5, 2j],
        {"key": (None, True), 7: b"bytes"},
        {1, 2, "three"},
        Point(),
        Point,
        "text",
        "t\u00e9xt \U0001f40d",
        range(1, 9, 2),
        slice(1, None),
        bytearray(b"array"),
        len,
        line_tables,
        [].append,
        ValueError("no"),
        frozenset("ab"),
        type,
    ]

    def is_mapped(address):
        return any(start <= address and address + CHUNK <= end for start, end in maps)

    chunks, level = {}, set()
    for thing in objects:
        size = max(sys.getsizeof(thing), CHUNK) if not isinstance(thing, type) else 448
        first = (id(thing) - 32) // CHUNK
        level.update(range(first, (id(thing) + size) // CHUNK + 1))
    for depth in range(4):
        found = set()
        for number in level:
            if number in chunks or len(chunks) > 1500 or not is_mapped(number * CHUNK):
                continue
            data = chunks[number] = ctypes.string_at(number * CHUNK, CHUNK)
            for word in struct.unpack("<8Q", data):
                # Tagged pointers are pointers as well.
                if is_mapped(word & ~7):
                    # Enough for a type object's header, a small dict.
                    found.update(range((word & ~7) // CHUNK, (word & ~7) // CHUNK + 4))
        level = found
    moved, at = {}, START + 128 + CHUNK
    previous = None
    for number in sorted(chunks):
        if previous is not None and number != previous + 1:
            at += CHUNK
        moved[number] = at
        at += CHUNK
        previous = number

    def move(word):
        base = moved.get(word // CHUNK)
        return word if base is None else base + word % CHUNK

    memory = bytearray(at - START)
    struct.pack_into("<16Q", memory, 0, *[move(id(thing)) for thing in objects])
    for number, data in chunks.items():
        struct.pack_into("<8Q", memory, moved[number] - START, *[move(word) for word in struct.unpack("<8Q", data)])
    put("heap", version, bytes([int(version.split(".")[1]) - 8]) + bytes(memory))


def debug_offsets(version):
    symbol = None
    for library in [None, "libpython%s.so.1.0" % version]:
        try:
            symbol = ctypes.addressof(ctypes.c_char.in_dll(ctypes.CDLL(library), "_PyRuntime"))
            break
        except (OSError, ValueError):
            continue
    if symbol and ctypes.string_at(symbol, 8) == b"xdebugpy":
        put("debug_offsets", version, ctypes.string_at(symbol, 1024))


def inside(version):
    line_tables(version)
    heap(version)
    debug_offsets(version)


def main(pythons):
    with tempfile.TemporaryDirectory() as folder:
        # Handlers are not put where another user could not load them.
        os.chmod(folder, 0o755)
        elf_files(folder)
        packed(folder)
        record(folder)
        for python in pythons or ["python3"]:
            probe = run(python, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
            version = probe.stdout.decode().strip()
            if probe.returncode != 0:
                print("without", python)
                continue
            result = run(python, "-I", os.path.abspath(__file__), "--inside", version)
            if result.returncode != 0:
                print(python, result.stderr.decode())
            dumps(folder, python, version)
    for target in sorted(os.listdir(CORPUS)):
        files = os.listdir(os.path.join(CORPUS, target))
        print("%-14s %d seeds" % (target, len(files)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2])
    else:
        main(sys.argv[1:])
