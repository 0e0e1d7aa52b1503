#!/usr/bin/env python3
"""How well signatures group crashes of one cause: a labelled corpus of real crashes, made here and now.

    tests/corpus/corpus.py COLDFRAME PYTHON... [--dumps N] [--records N] [--few]

Each bug dies on each Python, with a full and a stripped library (shifted by 37 lines, in another folder), with and without faulthandler,
in the main thread and in another. Prints pairwise precision and recall, BCubed F1 and the number of groups, also for
Mozilla's siggen (from PyPI, where pip finds it) and for equal file:line stacks, as CASR compares them. --dumps and
--records measure triage of so many dumps, and grouping of so many records. --few: two bugs, for a try.
"""
import argparse
import collections
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
# Functions of app.py, one for each bug: as in programs, a bug has a caller of its own.
BUGS = """read_index write_index measure_name measure_path check release descend build_lists load_index guard average
dispatch callback abort_of_worker abort_of_master string_of_header string_of_body""".split()
Cell = collections.namedtuple("Cell", "bug python stripped faulthandler thread")


def libraries(folder):
    source = (HERE / "bugs.c").read_text()
    full, stripped = folder / "full", folder / "elsewhere" / "stripped"
    for place, text, flags in (full, source, ["-O2", "-g"]), (stripped, "\n" * 37 + source, ["-O1", "-s"]):
        place.mkdir(parents=True)
        (place / "bugs.c").write_text(text)
        subprocess.run(["gcc", "-w", "-shared", "-fPIC", *flags, "-o", "_bugs.so", "bugs.c"], cwd=place, check=True)
    return {False: full / "_bugs.so", True: stripped / "_bugs.so"}


def crash(coldframe, folder, library, cell):
    """The report of one crash, and its record as triage has it."""
    dumps = folder / "dumps" / "-".join(str(part).replace("/", "_") for part in cell)
    command = [coldframe, "run", "--report", "json", "-o", str(dumps), "--timeout", "60", "--", cell.python]
    command += ["-X", "faulthandler"] * cell.faulthandler
    command += [str(HERE / "app.py"), str(library), cell.bug, "thread" if cell.thread else "direct"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    for line in done.stderr.splitlines():
        if line.startswith('{"schema":"coldframe-report/'):
            report = json.loads(line)
            if report.get("signature"):
                return report
    return None


def attached(signatures):
    """Keys after records without symbols have joined the one group that fits them, as triage groups them."""
    site = lambda s: (s.get("kind"), s.get("module"), s.get("python"))
    keys = collections.defaultdict(set)
    for s in signatures:
        if not s.get("incomplete") and all(site(s)):
            keys[site(s)].add(s["key"])
    return [min(keys[site(s)]) if s.get("incomplete") and all(site(s)) and len(keys[site(s)]) == 1 else s["key"] for s in signatures]


def frames_of(report):
    crashed = [thread for thread in report["threads"] if thread["crashed"]] or report["threads"]
    return crashed[0]["frames"] if crashed else []


def file_lines(report):
    """Equality as CASR has it: file and line where there is debug information, else module and offset."""
    stack = []
    for frame in frames_of(report):
        name = frame.get("function") or ""
        if frame["kind"] != "native" or name.startswith(("PyCFunction", "PyObject", "PyEval", "PyRun", "Py_")):
            continue
        if frame.get("line"):
            stack.append((frame.get("file"), frame["line"]))
        else:
            stack.append((frame.get("module"), frame.get("module_offset")))
    return tuple(stack)


def siggen(folder, reports):
    """Mozilla's signatures of the native frames; None where the package cannot be had."""
    venv = folder / "siggen"
    code = """
import json, sys
from siggen.generator import SignatureGenerator
for crash in json.load(sys.stdin):
    print(json.dumps(SignatureGenerator().generate(crash).signature))"""
    crashes = []
    for report in reports:
        # It looks at forty.
        native = [frame for frame in frames_of(report) if frame["kind"] == "native"][:100]
        frames = [
            {"frame": number, "function": frame.get("function"), "file": frame.get("file"), "line": frame.get("line"),
             "module": os.path.basename(frame.get("module") or ""), "module_offset": frame.get("module_offset"),
             "offset": frame.get("address")}
            for number, frame in enumerate(native)
        ]
        crashes.append({"os": "Linux", "crashing_thread": 0, "threads": [{"frames": frames}]})
    try:
        subprocess.run([sys.executable, "-m", "venv", venv], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([venv / "bin/pip", "install", "-q", "siggen"], check=True, stdout=subprocess.DEVNULL)
        done = subprocess.run([venv / "bin/python", "-c", code], input=json.dumps(crashes), stdout=subprocess.PIPE, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"SKIP siggen: {error}", file=sys.stderr)
        return None
    return done.stdout.splitlines()


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


def held_out(cells, keys):
    """For each Python: how many of its crashes get the cause that their key has among the crashes of the others."""
    for python in sorted({cell.python for cell in cells}):
        known = collections.defaultdict(collections.Counter)
        for cell, key in zip(cells, keys):
            if cell.python != python:
                known[key][cell.bug] += 1
        own = [(cell.bug, key) for cell, key in zip(cells, keys) if cell.python == python]
        right = sum(bool(known[key]) and known[key].most_common(1)[0][0] == bug for bug, key in own)
        wrong = sum(bool(known[key]) and known[key].most_common(1)[0][0] != bug for bug, key in own)
        print(f"| {python} | {len(own)} | {right} | {wrong} | {len(own) - right - wrong} |")


def timed(what, command):
    start = time.monotonic()
    done = subprocess.run(["/usr/bin/env", "time", "-f", "%M", *command] if shutil.which("time") else command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    memory = done.stderr.strip().splitlines()[-1:] if shutil.which("time") else []
    print(f"{what}: {time.monotonic() - start:.1f} s, exit {done.returncode}" + "".join(f", {int(kb) // 1024} MB at most" for kb in memory if kb.isdigit()))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("coldframe")
    options.add_argument("pythons", nargs="+", metavar="PYTHON")
    options.add_argument("--dumps", type=int)
    options.add_argument("--records", type=int)
    options.add_argument("--few", action="store_true")
    given = options.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="coldframe-corpus-"))
    try:
        measure(given, str(pathlib.Path(given.coldframe).resolve()), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(given, coldframe, folder):
    os.environ.pop("COLDFRAME_DIR", None)
    library = libraries(folder)
    bugs = BUGS[:2] if given.few else BUGS
    cells, reports, silent = [], [], 0
    for cell in itertools.starmap(Cell, itertools.product(bugs, given.pythons, *[(False, True)] * 3)):
        report = crash(coldframe, folder, library[cell.stripped], cell)
        if report is None:
            # Some bugs do not die every time, as the missing GIL.
            silent += 1
            continue
        cells.append(cell)
        reports.append(report)
    signatures = [report["signature"] for report in reports]
    keys = attached(signatures)
    found = json.loads(subprocess.run([coldframe, "triage", folder / "dumps", "--format", "json", "--no-reports"], stdout=subprocess.PIPE, check=True).stdout)
    if sorted(group["count"] for group in found["groups"]) != sorted(collections.Counter(keys).values()):
        sys.exit("triage groups otherwise than this script does")
    labels = [cell.bug for cell in cells]
    print(f"\n{len(cells)} crashes of {len(set(labels))} bugs; {silent} runs did not crash\n")
    print("| signature | precision | recall | BCubed F1 | groups |\n|---|---:|---:|---:|---:|")
    precision, recall = figures("coldframe triage", labels, keys)
    figures("coldframe, cause at call site", labels, [s.get("call_site_key") for s in signatures])
    mozilla = siggen(folder, reports)
    if mozilla is not None:
        figures("siggen", labels, mozilla)
    figures("equal file:line stacks (CASR)", labels, [file_lines(report) for report in reports])
    print("\n| left out | crashes | right cause | wrong cause | new group |\n|---|---:|---:|---:|---:|")
    held_out(cells, keys)
    worst = collections.Counter((label, s.get("title"), s["key"]) for label, s in zip(labels, signatures))
    print("\ngroups:")
    for (label, title, key), count in sorted(worst.items()):
        print(f"  {label}: {count} x {title} [{key}]")
    scale(given, coldframe, folder)
    if precision < 0.98 or recall < 0.90:
        sys.exit(f"precision {precision:.3f} (0.98 wanted), recall {recall:.3f} (0.90 wanted)")


def scale(given, coldframe, folder):
    dumps = sorted((folder / "dumps").rglob("*.dmp"))
    if given.dumps:
        many = folder / "many"
        many.mkdir()
        for number, dump in zip(range(given.dumps), itertools.cycle(dumps)):
            os.link(dump, many / f"{number}.dmp")
        timed(f"{given.dumps} dumps", [coldframe, "triage", str(many), "--format", "ndjson"])
    if given.records:
        lines = subprocess.run([coldframe, "triage", str(folder / "dumps"), "--format", "ndjson"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        many = folder / "many.ndjson"
        with open(many, "w") as file:
            for _, line in zip(range(given.records), itertools.cycle(lines)):
                file.write(line + "\n")
        timed(f"{given.records} records", [coldframe, "triage", str(many), "--format", "text", "--no-reports"])


if __name__ == "__main__":
    main()
