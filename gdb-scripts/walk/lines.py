"""From an instruction to its line: CPython's three formats of line tables."""


def line_of(layout, table, first_line, lasti):
    """The line of the instruction at byte offset `lasti`; the first one where none has begun; None where it has none."""
    if lasti < 0:
        return first_line
    if layout.is_("line_table", "Lnotab"):
        return _lnotab(table, first_line, lasti)
    if layout.is_("line_table", "Ranges"):
        return _ranges(table, first_line, lasti)
    return _locations(table, first_line, lasti)


def _signed(byte):
    return byte - 256 if byte > 127 else byte


def _lnotab(table, line, lasti):
    """Pairs of address increment (unsigned) and line increment (signed); Objects/lnotab_notes.txt of 3.8."""
    address = 0
    for index in range(0, len(table) - 1, 2):
        address += table[index]
        if address > lasti:
            break
        line += _signed(table[index + 1])
    return line


def _ranges(table, line, lasti):
    """Pairs of range length and line increment, -128 for no line; PEP 626, Objects/lnotab_notes.txt of 3.10."""
    end = 0
    for index in range(0, len(table) - 1, 2):
        end += table[index]
        delta = _signed(table[index + 1])
        if delta != -128:
            line += delta
        if lasti < end:
            return None if delta == -128 else line
    return None


def _locations(table, line, lasti):
    """Entries of variable length; Objects/locations.md of 3.11."""
    at = end = 0
    try:
        while at < len(table):
            # 0x80, four bits of code, three bits of length in code units minus one.
            code = table[at] >> 3 & 15
            end += ((table[at] & 7) + 1) * 2
            at += 1
            if code >= 13 and code < 15:
                value, at = _varint(table, at)
                line += -(value >> 1) if value & 1 else value >> 1
                for _ in range(3 if code == 14 else 0):
                    _, at = _varint(table, at)
            elif code >= 10 and code < 13:
                line += code - 10
                at += 2
            elif code < 10:
                at += 1
            if lasti < end:
                return None if code == 15 else line
    except IndexError:
        pass
    return None


def _varint(table, at):
    """Six bits a byte, least significant first, bit 6 set on all but the last."""
    value = shift = 0
    while True:
        byte = table[at]
        at += 1
        value |= (byte & 63) << shift
        shift += 6
        if not byte & 64 or shift > 60:
            return value, at
