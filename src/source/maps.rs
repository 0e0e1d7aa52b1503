//! `/proc/PID/maps` (proc(5)).

use crate::addr::{Addr, AddrRange};

/// One line: pages mapped with the same permissions from the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where it is mapped.
    pub range: AddrRange,
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub execute: bool,
    /// Not shared: writes are not seen by others (`p`).
    pub private: bool,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Device and inode as the kernel prints them; the inode is 0 where there is no file.
    pub file: (String, u64),
    /// Path of the file, a name such as `[stack]`, or empty.
    pub path: String,
}

impl Mapping {
    /// Whether both map the same file.
    pub fn same_file(&self, other: &Mapping) -> bool {
        self.file.1 != 0 && self.file == other.file
    }
}

/// Reads the text of a maps file; lines that make no sense are left out.
pub fn parse_maps(text: &str) -> Vec<Mapping> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Mapping> {
    let mut rest = line;
    let mut field = || {
        let (head, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = tail;
        head
    };
    let (start, end) = field().split_once('-')?;
    let permissions = field().as_bytes();
    let has = |letter| permissions.contains(&letter);
    let hex = |digits| u64::from_str_radix(digits, 16).ok();
    let range = AddrRange {
        start: Addr(hex(start)?),
        end: Addr(hex(end)?),
    };
    let offset = hex(field())?;
    let device = field().to_string();
    let inode = field().parse().ok()?;
    // The kernel writes a newline in a path as \012, and nothing else escaped.
    let path = rest.trim_start().replace("\\012", "\n");
    Some(Mapping {
        range,
        read: has(b'r'),
        write: has(b'w'),
        execute: has(b'x'),
        private: has(b'p'),
        offset,
        file: (device, inode),
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_kind() {
        let text = "\
55d0c0a00000-55d0c0a01000 r-xp 00001000 08:01 1234                       /opt/my app/bin (deleted)
7ffd1000-7ffd2000 rw-p 00000000 00:00 0                          [stack]
7f0000000000-7f0000001000 ---s 00000000 00:00 0 
nonsense
zz-12 r--p 0 0 0 x";
        let maps = parse_maps(text);
        assert_eq!(maps.len(), 3);
        assert_eq!(maps[0].path, "/opt/my app/bin (deleted)");
        assert_eq!(maps[0].file, ("08:01".to_string(), 1234));
        assert!(maps[0].execute && !maps[0].write && maps[0].private);
        assert_eq!(maps[1].path, "[stack]");
        assert_eq!(maps[2].path, "");
        assert!(!maps[2].read && !maps[2].private);
    }
}
