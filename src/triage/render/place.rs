//! Where in the repository a crash is shown.

use super::Row;

/// The file, relative to the repository's folder `root`, and the line of a group; none where its Python code lies
/// elsewhere.
pub(super) fn of<'a>(row: &'a Row, root: &str) -> Option<(&'a str, u32)> {
    let place = row.record.place.as_ref()?;
    Some((relative(&place.file, root)?, place.line))
}

/// A path relative to `root`; none for one that lies elsewhere or is none, as `<string>`.
pub(super) fn relative<'a>(file: &'a str, root: &str) -> Option<&'a str> {
    let root = root.trim_end_matches('/');
    let file = match file.starts_with('/') {
        false => file.strip_prefix("./").unwrap_or(file),
        true => file.strip_prefix(root)?.strip_prefix('/')?,
    };
    let is_path = !file.is_empty() && !file.starts_with('<') && file.split('/').all(|part| part != "..");
    is_path.then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_repository() {
        for (file, found) in [
            ("/repo/pkg/io.py", Some("pkg/io.py")),
            ("./tests/t.py", Some("tests/t.py")),
            ("t.py", Some("t.py")),
            ("/repository/t.py", None),
            ("/usr/lib/x.py", None),
            ("../x.py", None),
            ("/repo/../x.py", None),
            ("<string>", None),
            ("", None),
        ] {
            assert_eq!(relative(file, "/repo/"), found, "{file}");
        }
    }
}
