"""Reading the memory of the process."""

import struct

# Reads go through blocks of this size, because asking a debugger costs more than copying.
BLOCK = 512
# What is read at once of a range that may end early.
PIECE = 64 << 10
# The longest single read; lengths that are read from the process may be corrupt.
MAX_READ = 16 << 20


class Unreadable(Exception):
    """Memory that cannot be read, or a structure that does not hold together."""


class Memory:
    """The memory of a process that stands still.

    `read` is the debugger's own: (address, size) to bytes, raising Unreadable.
    """

    def __init__(self, read):
        self._read = read
        self._blocks = {}
        # Of memory that was recorded piece by piece, gdb reads what lies between from files, and goes on with the file.
        self.is_pieces = False

    def bytes(self, address, size):
        """`size` bytes at `address`, all of them or Unreadable."""
        if size == 0:
            return b""
        if address <= 0 or size < 0 or size > MAX_READ or address + size > 1 << 64:
            raise Unreadable("%d bytes at 0x%x" % (size, address))
        start = address & ~(BLOCK - 1)
        if size > 4 * BLOCK or self.is_pieces:
            return self._read(address, size)
        parts = []
        at = start
        while at < address + size:
            block = self._block(at)
            if block is None:
                return self._read(address, size)
            parts.append(block)
            at += BLOCK
        return b"".join(parts)[address - start : address - start + size]

    def _block(self, start):
        """One block; None where it cannot be read as a whole, as at the edges of what a dump holds."""
        try:
            return self._blocks[start]
        except KeyError:
            pass
        try:
            block = self._read(start, BLOCK)
        except Unreadable:
            block = None
        self._blocks[start] = block
        return block

    def u8(self, address):
        return self.bytes(address, 1)[0]

    def i8(self, address):
        return struct.unpack("<b", self.bytes(address, 1))[0]

    def i32(self, address):
        return struct.unpack("<i", self.bytes(address, 4))[0]

    def u32(self, address):
        return struct.unpack("<I", self.bytes(address, 4))[0]

    def i64(self, address):
        return struct.unpack("<q", self.bytes(address, 8))[0]

    def u64(self, address):
        return struct.unpack("<Q", self.bytes(address, 8))[0]

    def f64(self, address):
        return struct.unpack("<d", self.bytes(address, 8))[0]

    def words(self, address, count):
        """An array of 64-bit words."""
        return struct.unpack("<%dQ" % count, self.bytes(address, count * 8)) if count > 0 else ()

    def each_word(self, address, count):
        """The same, one by one: a dump may hold the first ones only."""
        for index in range(count):
            yield self.u64(address + index * 8)

    def prefix(self, address, size):
        """As many of `size` bytes as can be read: a dump may hold the beginning only."""
        try:
            return self.bytes(address, size)
        except Unreadable:
            pass
        parts, have, step = [], 0, PIECE
        while step and have < size:
            try:
                parts.append(self.bytes(address + have, min(step, size - have)))
                have += len(parts[-1])
            except Unreadable:
                step //= 2
        return b"".join(parts)

    def c_string(self, address, limit):
        """A string that ends with a null byte, at most `limit` bytes, as text."""
        data = b""
        while len(data) < limit:
            # To the end of the block: what follows may not be mapped.
            size = min(BLOCK - (address + len(data)) % BLOCK, limit - len(data))
            try:
                part = self.bytes(address + len(data), size)
            except Unreadable:
                size = 1
                part = self.bytes(address + len(data), size)
            end = part.find(b"\0")
            if end >= 0:
                data += part[:end]
                break
            data += part
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise Unreadable("no text at 0x%x" % address)
