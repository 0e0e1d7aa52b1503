//! The report of GitLab's Code Quality, which is that of Code Climate in four fields.

use serde_json::{Value, json};

use super::{Row, Triage, place, seen, some};
use crate::report::json::{self, JsonError};
use crate::report::text::one_line;

/// One issue per group; a known one is for information. `root` is the repository's folder. A crash without a line of it
/// stands at the path of its dump: a place is required, and none may be made up.
///
/// # Errors
/// Where the document cannot be written as JSON.
pub fn gitlab(triage: &Triage, root: &str) -> Result<String, JsonError> {
    let issues: Vec<Value> = triage.groups.iter().map(|row| issue(row, root)).collect();
    json::of(&issues)
}

fn issue(row: &Row, root: &str) -> Value {
    let group = &row.group;
    let (path, line) = place::of(row, root).unwrap_or((&group.example, 1));
    let mut description = format!("{} ({})", one_line(&group.title, 500), seen(group));
    if !group.tests.is_empty() {
        description.push_str(&format!("; tests: {}", one_line(&some(group.tests.iter(), 3), 500)));
    }
    json!({
        "description": description,
        "check_name": "coldframe",
        // Of equal ones GitLab shows the first alone; groups have different keys.
        "fingerprint": group.key,
        "severity": if row.known.is_some() { "info" } else { "critical" },
        "location": {"path": path, "lines": {"begin": line.max(1)}},
    })
}
