//! Paths and UUIDs.

use super::super::Python;
use super::super::text;
use super::printer::{Printer, Subject};
use crate::addr::Addr;

/// The most parts of a path.
const MAX_PARTS: u64 = 1_000;

/// `PosixPath('/tmp/x')` (Lib/pathlib).
pub fn path(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let find = |name: &str| python.attribute(subject.at, subject.info, name);
    let text = |name: &str| python.name_string(find(name)?);
    // Paths of Windows are printed with other separators.
    let order = python.resolution_order(subject.info);
    if order.iter().any(|class| class.name == "PureWindowsPath") {
        return None;
    }
    let path = match (text("_str"), text("_root")) {
        (Some(text), _) => text,
        // Parsed, but not put together yet. Up to 3.11 the first part is drive and root.
        (None, Some(root)) => {
            let drive = text("_drv")?;
            let parts = match find("_parts") {
                Some(parts) => python.strings(parts)?.split_off(usize::from(!root.is_empty())),
                None => python.strings(find("_tail_cached")?)?,
            };
            format!("{drive}{root}{}", parts.join("/"))
        }
        (None, None) => parse(&python.strings(find("_raw_paths")?)?),
    };
    let path = if path.is_empty() { "." } else { &path };
    let points: Vec<u32> = path.chars().map(u32::from).collect();
    Some(format!("{}({})", subject.info.name, text::str_repr(&points)))
}

/// What `PurePath` makes of the strings it was given, on POSIX (`_parse_path`, 3.12+).
fn parse(raw: &[String]) -> String {
    // An absolute one starts anew.
    let from = raw.iter().rposition(|path| path.starts_with('/')).unwrap_or(0);
    let joined = raw.get(from..).unwrap_or_default().join("/");
    // Two slashes at the beginning have a meaning of their own, three have not.
    let slashes = joined.len() - joined.trim_start_matches('/').len();
    let root = match slashes {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let parts: Vec<&str> = joined
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    format!("{root}{}", parts.join("/"))
}

/// `UUID('12345678-1234-5678-1234-567812345678')` (Lib/uuid.py).
pub fn uuid(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let number: u128 = printer.attribute_str(&subject, "int")?.parse().ok()?;
    let hex = format!("{number:032x}");
    let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    Some(format!("{}('{}')", subject.info.name, groups.join("-")))
}

impl Python<'_> {
    /// The strs in a list.
    fn strings(&self, list: Addr) -> Option<Vec<String>> {
        if !self.type_of(list)?.is_builtin("list") {
            return None;
        }
        let items = self.read_or_null(self.layout.offsets.list.items.of(list));
        let items = match self.size_of(list)?.min(MAX_PARTS) {
            0 => Vec::new(),
            count => self.pointers(items, count)?,
        };
        items.into_iter().map(|item| self.name_string(item)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    // The expectations are what `str(PurePosixPath(...))` gives.
    #[test]
    fn paths() {
        for (raw, path) in [
            (&["/usr", "lib//python/."][..], "/usr/lib/python"),
            (&["a", "/b", "c"], "/b/c"),
            (&["//host/share"], "//host/share"),
            (&["///x/"], "/x"),
            (&[], ""),
            (&["./a/../b"], "a/../b"),
        ] {
            let raw: Vec<String> = raw.iter().map(|part| part.to_string()).collect();
            assert_eq!(parse(&raw), path);
        }
    }
}
