//! Workflow commands of GitHub Actions: annotations.

use super::{Row, Triage, place, seen, some};
use crate::report::text::is_hostile;

/// GitHub shows ten errors and ten warnings of a step.
const MOST: usize = 10;

/// One line per group: an error for a new one, a warning for a known one. `root` is the repository's folder: places are
/// relative to it, and those outside are left out.
pub fn github(triage: &Triage, root: &str) -> String {
    let mut out = String::new();
    let (mut errors, mut warnings) = (0, 0);
    for row in &triage.groups {
        let (kind, count) = match row.known {
            None => ("error", &mut errors),
            Some(_) => ("warning", &mut warnings),
        };
        if *count < MOST {
            out.push_str(&line(kind, row, root));
            *count += 1;
        }
    }
    out
}

fn line(kind: &str, row: &Row, root: &str) -> String {
    let place = place::of(row, root).map(|(file, line)| format!("file={},line={line},", property(file)));
    let mut message = format!("{}\n{} [{}]", row.group.title, seen(&row.group), row.group.key);
    if !row.group.tests.is_empty() {
        message.push_str(&format!("\ntests: {}", some(row.group.tests.iter(), 5)));
    }
    format!(
        "::{kind} {}title={}::{}\n",
        place.unwrap_or_default(),
        property(&row.group.title),
        data(&message)
    )
}

/// Escapes the message of a command, as GitHub's own toolkit does.
fn data(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '%' => out.push_str("%25"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            c if is_hostile(c) => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

/// Escapes a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triage::group::Group;
    use crate::triage::record::Record;
    use crate::triage::signature::Place;

    #[test]
    fn a_hostile_title_stays_one_command() {
        let row = Row {
            group: Group {
                title: "SIGSEGV in a::b, c%\n::error::x".into(),
                key: "k".into(),
                count: 1,
                ..Group::default()
            },
            record: Record {
                place: Some(Place {
                    file: "/repo/pkg/io.py".into(),
                    line: 7,
                }),
                ..Record::default()
            },
            ..Row::default()
        };
        let triage = Triage {
            groups: vec![row],
            ..Triage::new(1)
        };
        assert_eq!(
            github(&triage, "/repo/"),
            "::error file=pkg/io.py,line=7,title=SIGSEGV in a%3A%3Ab%2C c%25%0A%3A%3Aerror%3A%3Ax::\
             SIGSEGV in a::b, c%25%0A::error::x%0Aonce [k]\n"
        );
    }
}
