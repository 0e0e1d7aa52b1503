"""Prints the opcodes of this interpreter, a row each: minor version, number, name, inline caches behind it, what its
argument is."""
import dis, opcode, sys

MINOR = sys.version_info[1]
opcodes = dict(opcode.opmap)
opcodes.update(getattr(dis, "_all_opmap", {}))
opcodes.update(getattr(opcode, "_specialized_opmap", {}))
caches = getattr(opcode, "_inline_cache_entries", {})
forms = {form: name for name, list_ in getattr(opcode, "_specializations", {}).items() for form in list_}


def plain(name):
    name = forms.get(name, name)
    return name[len("INSTRUMENTED_"):] if name.startswith("INSTRUMENTED_") else name


def entries(name):
    for key in (plain(name), opcode.opmap.get(plain(name))):
        try:
            return caches[key]
        except (KeyError, TypeError, IndexError):
            pass
    return 0


def argument(name):
    base = plain(name)
    number = opcode.opmap.get(base, opcodes.get(base))
    if number is None:
        return "none"
    if number < opcode.HAVE_ARGUMENT and MINOR < 12 or MINOR >= 12 and number not in getattr(dis, "hasarg", ()) and number not in opcode.hasarg:
        return "none"
    if number in opcode.hasconst:
        return "const"
    if number in opcode.hasname:
        return {("LOAD_GLOBAL", MINOR >= 11): "name>>1", ("LOAD_ATTR", MINOR >= 12): "name>>1",
                ("LOAD_SUPER_ATTR", MINOR >= 12): "name>>2", ("IMPORT_NAME", MINOR >= 15): "name>>2"}.get((base, True), "name")
    if number in opcode.haslocal:
        return "local-pair" if base.count("_FAST") == 2 else "local"
    if number in opcode.hasfree:
        return "local" if MINOR >= 11 else "cell"
    unit = 1 if MINOR < 10 else 2
    if number in opcode.hasjrel:
        back = "JUMP_BACKWARD" in base or base == "END_ASYNC_FOR"
        return f"{'back' if back else 'forward'}*{unit}"
    if number in opcode.hasjabs:
        return f"absolute*{unit}"
    return "number"


if __name__ == "__main__":
    for number, name in sorted((number, name) for name, number in opcodes.items() if number < 256):
        print(MINOR, number, name, entries(name), argument(name), sep="\t")
