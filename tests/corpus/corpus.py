#!/usr/bin/env python3
"""How well signatures group crashes of one cause: a labelled corpus of real crashes, made here and now.

    tests/corpus/corpus.py COLDFRAME PYTHON... [--folder FOLDER] [--made | --few] [--dumps N] [--records N]

Each bug dies on each Python, with a full and a stripped library (shifted by 37 lines, in another folder), with and
without faulthandler, in the main thread and in another. Prints pairwise precision and recall, BCubed F1 and the number
of groups: of the bugs that the rules were made with, of others, and of both. Beside them, of the same crashes, Mozilla's
siggen (from PyPI) and clusters of file:line stacks as CASR makes them (with scipy from PyPI). --folder: dumps stay there, and
those that are there are not made again. --made: only the bugs that the rules were made with. --few: two bugs of each kind,
for a try. --dumps and --records measure triage of so many dumps, and grouping of so many records.
"""
import argparse
import collections
import datetime
import functools
import itertools
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# Functions of app.py, one for each bug: as in programs, a bug has a caller of its own.
BUGS = """read_index write_index measure_name measure_path check release descend build_lists load_index guard average
dispatch callback abort_of_worker abort_of_master string_of_header string_of_body
order_invoices label_customer receive_packet validate_order third_column total_area pad_field user_setting
start_worker parse_nested recycle_buffer read_truncated field_of_handle in_comprehension serve_request save_store load_plugin
end_by_signal""".split()
# Of these no rule knew anything.
HELD_OUT = """read_rows index_of_keys rank_points width_of_image visit_nodes end_session forget_cache close_handle pending_work
change_owner on_tick copy_frame column_of_table subscribe_events total_of_column names_of_users options_of_user break_ring
register_goodbye""".split()
# Native frames that are kept of each crash: siggen looks at forty.
FRAMES = 100
Cell = collections.namedtuple("Cell", "bug python stripped faulthandler thread")


def libraries(folder, pythons):
    full, stripped = folder / "full", folder / "elsewhere" / "stripped"
    for place, shift, flags in (full, 0, ["-O2", "-g"]), (stripped, 37, ["-O1", "-s"]):
        if (place / "_parts.abi3.so").exists():
            continue
        place.mkdir(parents=True, exist_ok=True)
        for name in "bugs.c", "bugs.cpp", "extension.c":
            (place / name).write_text("\n" * shift + (HERE / name).read_text())
        flags = ["-w", "-fPIC", *flags]
        for command in (
            ["gcc", "-c", "bugs.c"],
            ["g++", "-fstack-protector-strong", "-shared", "-o", "_bugs.so", "bugs.o", "bugs.cpp"],
            ["gcc", "-I", headers(pythons), "-shared", "-o", "_parts.abi3.so", "extension.c"],
        ):
            subprocess.run([command[0], *flags, *command[1:]], cwd=place, check=True)
    return {False: full / "_bugs.so", True: stripped / "_bugs.so"}


def headers(pythons):
    """The folder of Python.h; the extension module is the same for all."""
    code = "import sysconfig; print(sysconfig.get_paths()['include'])"
    folders = [subprocess.run([python, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.strip() for python in pythons]
    found = [folder for folder in folders if os.path.exists(os.path.join(folder, "Python.h"))]
    return found[0] if found else sys.exit("none of the Pythons has Python.h")


def place(folder, cell):
    """Where the dump of a crash goes."""
    return folder / "dumps" / "-".join(str(part).replace("/", "_") for part in cell)


def crash(coldframe, folder, library, cell):
    """The signature and the native frames of one crash; None where there is none."""
    dumps = place(folder, cell)
    if dumps.exists():
        made = [[coldframe, "analyze", "--format", "json", dump] for dump in dumps.iterdir() if dump.suffix in (".dmp", ".rec")]
        reports = [subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout for command in made]
    else:
        command = [coldframe, "run", "--report", "json", "-o", str(dumps), "--timeout", "60", "--", cell.python]
        command += ["-X", "faulthandler"] * cell.faulthandler
        command += [str(HERE / "app.py"), str(library), cell.bug, "thread" if cell.thread else "direct"]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        dumps.mkdir(parents=True, exist_ok=True)
        reports = [line for line in done.stderr.splitlines() if line.startswith(b'{"schema":"coldframe-report/')]
    for report in map(json.loads, reports):
        if report.get("signature"):
            crashed = [thread for thread in report["threads"] if thread["crashed"]] or report["threads"]
            frames = crashed[0]["frames"] if crashed else []
            native = [frame for frame in frames if frame["kind"] == "native"]
            return report["signature"], native[:FRAMES]
    return None


def attached(signatures):
    """Keys after records without symbols have joined the one group that fits them, as triage groups them."""
    site = lambda s: (s.get("kind"), s.get("module"), s.get("python"))
    keys = collections.defaultdict(set)
    for s in signatures:
        if not s.get("incomplete") and all(site(s)):
            keys[site(s)].add(s["key"])
    return [min(keys[site(s)]) if s.get("incomplete") and all(site(s)) and len(keys[site(s)]) == 1 else s["key"] for s in signatures]


# Functions that CASR leaves out, as far as they occur here: of the C library and of Python's interface.
CASR_LEAVES_OUT = re.compile(r"abort|raise|tgkill|gsignal|exit|__GI_|__libc_|__pthread_kill|__assert_|__chk_fail|__fortify_fail|__cxa_throw|"
    r"std::terminate|free|malloc|calloc|realloc|operator|_start|(__)?(mem(cmp|cpy|move|set)|str(cmp|cpy|dup|len|ncpy))|PyCFunction|PyObject|PyEval|PyRun|Py_")
CASR_LEAVES_OUT_FILES = re.compile(r".*(sysdeps/|/glibc-|/libc/|/gcc/|libc\+\+)")


def file_lines(frames):
    """What CASR compares of a stack: file and line where there is debug information, else module and offset."""
    stack = []
    for frame in frames:
        file = frame.get("file") or ""
        if CASR_LEAVES_OUT.match(frame.get("function") or "") or CASR_LEAVES_OUT_FILES.match(file):
            continue
        place = (file, frame["line"]) if frame.get("line") else (frame.get("module"), frame.get("module_offset"))
        # A recursion counts once.
        if place not in stack[-2:]:
            stack.append(place)
    return tuple(stack)


@functools.lru_cache(None)
def weight(frames):
    """The most that so many common frames can count."""
    return sum(math.exp(-0.04 * depth) for depth in range(1, frames + 1))


def similarity(first, second):
    """Of two stacks, as libcasr/src/stacktrace.rs computes it: common frames count less the deeper and the farther apart."""
    before = [0.0] * (len(first) + 1)
    for i, frame in enumerate(second, 1):
        row = [0.0]
        for j, other in enumerate(first, 1):
            gain = math.exp(-0.04 * min(i, j) - 0.13 * abs(i - j)) if frame == other else 0.0
            row.append(max(row[-1], before[j], before[j - 1] + gain))
        before = row
    most = weight(min(len(first), len(second)))
    return before[-1] / most if most else float(first == second)


# Complete linkage of distances; a cluster's diameter is below 0.3.
CLUSTER = """
import json, sys
from scipy.cluster.hierarchy import fcluster, linkage
print(json.dumps(fcluster(linkage(json.load(sys.stdin), "complete"), 0.2999, "distance").tolist()))"""


def clusters(python, stacks):
    """CASR's clusters of stacks; equal ones once, which changes nothing."""
    distinct = sorted(set(stacks), key=str)
    if len(distinct) < 2:
        return stacks
    sets = [set(stack) for stack in distinct]
    distances = []
    for one, two in itertools.combinations(range(len(distinct)), 2):
        # With few frames in common they cannot be near, and how far they are does not matter.
        common = sum(frame in sets[two] for frame in distinct[one])
        is_near = weight(common) > 0.7 * weight(min(len(distinct[one]), len(distinct[two])))
        distances.append(1 - similarity(distinct[one], distinct[two]) if is_near else 1.0)
    done = subprocess.run([python, "-c", CLUSTER], input=json.dumps(distances), stdout=subprocess.PIPE, text=True, check=True)
    number = dict(zip(distinct, json.loads(done.stdout)))
    return [number[stack] for stack in stacks]


SIGGEN = """
import json, sys
from siggen.generator import SignatureGenerator
for crash in json.load(sys.stdin):
    print(json.dumps(SignatureGenerator().generate(crash).signature))"""


def siggen(python, stacks):
    """Mozilla's signatures of the native frames."""
    crashes = []
    for stack in stacks:
        frames = [
            {"frame": number, "function": frame.get("function"), "file": frame.get("file"), "line": frame.get("line"),
             "module": os.path.basename(frame.get("module") or ""), "module_offset": frame.get("module_offset"),
             "offset": frame.get("address")}
            for number, frame in enumerate(stack)
        ]
        crashes.append({"os": "Linux", "crashing_thread": 0, "threads": [{"frames": frames}]})
    done = subprocess.run([python, "-c", SIGGEN], input=json.dumps(crashes), stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def others(folder, stacks):
    """Keys that other tools give the same crashes, by the tools' names; none where their packages cannot be had."""
    venv = folder / "others"
    python = venv / "bin/python"
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([python, "-m", "pip", "install", "-q", "siggen", "scipy"], check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"SKIP siggen and CASR's clusters: {error}", file=sys.stderr)
        return {}
    lines = [file_lines(stack) for stack in stacks]
    return {
        "siggen (Mozilla)": siggen(python, stacks),
        "equal file:line stacks (CASR)": lines,
        "clusters of file:line stacks (CASR)": clusters(python, lines),
    }


def figures(name, labels, keys):
    both = collections.Counter(zip(labels, keys))
    of_label, of_key = collections.Counter(labels), collections.Counter(keys)
    pairs = lambda counts: sum(n * (n - 1) // 2 for n in counts.values())
    precision = pairs(both) / max(pairs(of_key), 1)
    recall = pairs(both) / max(pairs(of_label), 1)
    total = len(labels)
    bcubed_p = sum(n * n / of_key[key] for (_, key), n in both.items()) / total
    bcubed_r = sum(n * n / of_label[label] for (label, _), n in both.items()) / total
    bcubed = 2 * bcubed_p * bcubed_r / (bcubed_p + bcubed_r)
    print(f"| {name} | {precision:.3f} | {recall:.3f} | {bcubed:.3f} | {len(of_key)} |")
    return precision, recall


def table(what, chosen, labels, keys):
    """Figures of some of the crashes, for each way to make keys."""
    own = [labels[index] for index in chosen]
    print(f"\n{what}: {len(own)} crashes of {len(set(own))} bugs\n")
    print("| signature | precision | recall | BCubed F1 | groups |\n|---|---:|---:|---:|---:|")
    return [figures(name, own, [of[index] for index in chosen]) for name, of in keys.items()][0]


def leave_one_out(cells, keys):
    """For each Python: how many of its crashes get the cause that their key has among the crashes of the others."""
    print("\n| left out | crashes | right cause | wrong cause | new group |\n|---|---:|---:|---:|---:|")
    for python in sorted({cell.python for cell in cells}):
        known = collections.defaultdict(collections.Counter)
        for cell, key in zip(cells, keys):
            if cell.python != python:
                known[key][cell.bug] += 1
        own = [(cell.bug, key) for cell, key in zip(cells, keys) if cell.python == python]
        right = sum(bool(known[key]) and known[key].most_common(1)[0][0] == bug for bug, key in own)
        wrong = sum(bool(known[key]) and known[key].most_common(1)[0][0] != bug for bug, key in own)
        print(f"| {python} | {len(own)} | {right} | {wrong} | {len(own) - right - wrong} |")


# Runs a command, and tells what it and its children took: seconds, seconds of the processors, the MB of the largest.
USAGE = """
import resource, subprocess, sys, time
start = time.monotonic()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
wall, used = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{wall:.1f} s | {used.ru_utime + used.ru_stime:.1f} s | {used.ru_maxrss // 1024} MB | exit {code} |")"""


def timed(what, command):
    done = subprocess.run([sys.executable, "-c", USAGE, *command], stdout=subprocess.PIPE, text=True, check=True)
    print(f"| {what} | {done.stdout}", end="")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("coldframe")
    options.add_argument("pythons", nargs="+", metavar="PYTHON")
    options.add_argument("--dumps", type=int)
    options.add_argument("--records", type=int)
    options.add_argument("--folder", type=pathlib.Path)
    options.add_argument("--made", action="store_true")
    options.add_argument("--few", action="store_true")
    given = options.parse_args()
    coldframe = str(pathlib.Path(given.coldframe).resolve())
    if given.folder:
        measure(given, coldframe, given.folder.resolve())
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="coldframe-corpus-"))
    try:
        measure(given, coldframe, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(given, coldframe, folder):
    os.environ.pop("COLDFRAME_DIR", None)
    library = libraries(folder, given.pythons)
    bugs = BUGS[:2] + HELD_OUT[:2] if given.few else BUGS if given.made else BUGS + HELD_OUT
    cells, signatures, stacks, silent = [], [], [], []
    for cell in itertools.starmap(Cell, itertools.product(bugs, given.pythons, *[(False, True)] * 3)):
        found = crash(coldframe, folder, library[cell.stripped], cell)
        if found is None:
            # Some bugs do not die every time, as the missing GIL.
            silent.append(cell)
            continue
        cells.append(cell)
        signatures.append(found[0])
        stacks.append(found[1])
    attached_keys = attached(signatures)
    folders = [place(folder, cell) for cell in cells]
    found = json.loads(subprocess.run([coldframe, "triage", *folders, "--format", "json", "--no-reports"], stdout=subprocess.PIPE, check=True).stdout)
    if sorted(group["count"] for group in found["groups"]) != sorted(collections.Counter(attached_keys).values()):
        sys.exit("triage groups otherwise than this script does")
    labels = [cell.bug for cell in cells]
    keys = {"coldframe triage": attached_keys, "coldframe, cause at call site": [s.get("call_site_key") for s in signatures]}
    keys.update(others(folder, stacks))
    version = subprocess.run([coldframe, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    print(f"{version}, rules {signatures[0].get('rules')}, {datetime.date.today()}; {len(silent)} runs did not crash: ", end="")
    print(", ".join(f"{count} x {bug}" for bug, count in collections.Counter(cell.bug for cell in silent).items()) or "none")
    everything = range(len(cells))
    precision, recall = table("Bugs that the rules were made with", [i for i in everything if labels[i] in BUGS], labels, keys)
    if not given.made:
        table("Held out", [i for i in everything if labels[i] in HELD_OUT], labels, keys)
        table("Both", everything, labels, keys)
    leave_one_out(cells, attached_keys)
    print("\ngroups:")
    groups = collections.Counter((label, s.get("title"), key) for label, s, key in zip(labels, signatures, attached_keys))
    for (label, title, key), count in sorted(groups.items()):
        print(f"  {label}: {count} x {title} [{key}]")
    scale(given, coldframe, folder, folders)
    if precision < 0.98 or recall < 0.90:
        sys.exit(f"precision {precision:.3f} (0.98 wanted), recall {recall:.3f} (0.90 wanted)")


def scale(given, coldframe, folder, folders):
    dumps = sorted(dump for one in folders for dump in one.glob("*.dmp"))
    if given.dumps or given.records:
        print("\n| | wall | of the processors | memory of the largest process | |\n|---|---:|---:|---:|---|")
    if given.dumps:
        many = folder / "many"
        shutil.rmtree(many, ignore_errors=True)
        many.mkdir()
        for number, dump in zip(range(given.dumps), itertools.cycle(dumps)):
            os.link(dump, many / f"{number}.dmp")
        timed(f"{given.dumps} dumps", [coldframe, "triage", str(many), "--format", "ndjson"])
    if given.records:
        lines = subprocess.run([coldframe, "triage", *dumps[:1000], "--format", "ndjson"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        many = folder / "many.ndjson"
        with open(many, "w") as file:
            for _, line in zip(range(given.records), itertools.cycle(lines)):
                file.write(line + "\n")
        timed(f"{given.records} records", [coldframe, "triage", str(many), "--format", "text", "--no-reports"])


if __name__ == "__main__":
    main()
