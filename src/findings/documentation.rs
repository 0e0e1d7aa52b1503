//! docs/findings.md: the list of rules.

#![cfg(test)]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::RULES;

#[test]
fn the_list_of_findings_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings.md");
    let current = from_rules();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&path, &current).expect("docs can be written");
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == current,
        "docs/findings.md is not what the rules say: run with UPDATE_GOLDENS=1"
    );
}

fn from_rules() -> String {
    let mut text = String::from(
        "# Findings\n\nWhat coldframe concludes from a crash. Made from the rules (src/findings/rules.rs) by \
         `UPDATE_GOLDENS=1 cargo test list_of_findings`.\n\nEach finding has a confidence, the evidence it rests on, and one \
         piece of advice:\n\n\
         - `certain`: the evidence admits nothing else;\n\
         - `likely`: it fits, and something else is improbable; what tells where to look and not what broke is never more;\n\
         - `possible`: it fits.\n\n\
         A rule that is not sure says nothing. Findings that follow from another one are left out. Those at capture and those \
         from the dump are the same.\n\n\
         | id | says | told by |\n|---|---|---|\n",
    );
    for rule in RULES {
        let _ = writeln!(text, "| `{}` | {} | {} |", rule.id, rule.says, rule.told_by);
    }
    text
}
