//! JUnit XML, as CI systems read it.

use super::{Triage, seen};
use crate::report::text::{self, Form, TextOptions, is_hostile};

/// One test case per group: an error for a new one, skipped for a known one.
pub fn junit(triage: &Triage) -> String {
    let new = triage.new_groups().count();
    let counts = format!(
        "tests=\"{}\" errors=\"{new}\" failures=\"0\" skipped=\"{}\"",
        triage.groups.len(),
        triage.groups.len() - new
    );
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n<testsuite name=\"coldframe\" {counts}>\n"
    );
    for row in &triage.groups {
        let group = &row.group;
        let name = group.tests.first().unwrap_or(&group.title);
        out.push_str(&format!(
            "<testcase classname=\"coldframe.{}\" name=\"{}\">",
            xml(&group.key),
            xml(name)
        ));
        let message = xml(&format!("{} [{}], {}", group.title, group.key, seen(group)));
        let report = row
            .report
            .as_ref()
            .map(|report| xml(&text::render(report, &TextOptions::new(Form::Short))))
            .unwrap_or_default();
        match &row.known {
            None => out.push_str(&format!("<error type=\"crash\" message=\"{message}\">{report}</error>")),
            Some(known) => out.push_str(&format!(
                "<skipped message=\"known: {}\"/><system-out>{message}\n{report}</system-out>",
                xml(known.issue.as_deref().unwrap_or("in the baseline"))
            )),
        }
        out.push_str("</testcase>\n");
    }
    out.push_str("</testsuite>\n</testsuites>\n");
    out
}

/// Text of an element or attribute. What XML 1.0 cannot hold at all (section 2.2), and what could control a terminal,
/// becomes `?`.
pub(in crate::triage) fn xml(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('?'),
            c if is_hostile(c) => out.push('?'),
            c => out.push(c),
        }
    }
    out
}
