//! Renders the hand-made reports of tests/fixtures/reports and compares with tests/goldens/report.

use std::fs;

use coldframe::report::text::{Form, Style, TextOptions, render};
use coldframe::report::{Report, json};

use crate::golden;

/// The reports, by name.
pub fn reports() -> Vec<(String, Report)> {
    let mut reports: Vec<(String, Report)> = fs::read_dir(golden::repository("tests/fixtures/reports"))
        .expect("the folder is in the repository")
        .map(|entry| {
            let path = entry.expect("it can be listed").path();
            let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("it can be read");
            (
                name,
                json::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())),
            )
        })
        .collect();
    reports.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(reports.len() >= 3, "the fixtures are missing");
    reports
}

#[test]
fn text_is_as_expected() {
    let mut failures = Vec::new();
    for (name, report) in reports() {
        for (form, suffix) in [(Form::Short, "short"), (Form::Full, "full")] {
            let text = render(&report, &TextOptions::new(form));
            failures.extend(golden::check(&format!("report/{name}.{suffix}.txt"), &text).err());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn json_reads_back_as_it_was() {
    for (name, report) in reports() {
        assert_eq!(json::parse(&json::pretty(&report).unwrap()).unwrap(), report, "{name}");
        assert_eq!(json::line(&report).unwrap().lines().count(), 1, "{name}");
    }
}

/// What a fixture says that the model does not know would be lost silently.
#[test]
fn the_model_keeps_every_field_of_the_fixtures() {
    for (name, report) in reports() {
        let path = golden::repository("tests/fixtures/reports").join(format!("{name}.json"));
        let given: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let kept: serde_json::Value = serde_json::from_str(&json::line(&report).unwrap()).unwrap();
        assert_contains(&given, &kept, &name);
    }
}

fn assert_contains(given: &serde_json::Value, kept: &serde_json::Value, at: &str) {
    use serde_json::Value;
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (key, value) in given {
                // False and absent are the same.
                if *value != Value::Bool(false) || kept.contains_key(key) {
                    assert_contains(value, &kept[key], &format!("{at}.{key}"));
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            assert_eq!(given.len(), kept.len(), "{at}");
            for (index, (given, kept)) in given.iter().zip(kept).enumerate() {
                assert_contains(given, kept, &format!("{at}[{index}]"));
            }
        }
        _ => assert_eq!(given, kept, "{at}"),
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    for (name, report) in reports() {
        for form in [Form::Short, Form::Full] {
            let plain = render(&report, &TextOptions::new(form));
            let coloured = render(
                &report,
                &TextOptions {
                    style: Style::ansi(),
                    ..TextOptions::new(form)
                },
            );
            assert!(coloured.contains("\x1b["), "{name}");
            assert!(!plain.contains('\x1b'), "{name}");
            assert_eq!(without_colour(&coloured), plain, "{name}");
        }
    }
}

fn without_colour(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

#[test]
fn the_last_line_is_the_summary() {
    for (name, report) in reports() {
        for form in [Form::Short, Form::Full] {
            let text = render(&report, &TextOptions::new(form));
            let last = text.lines().next_back().unwrap_or_default();
            assert!(last.starts_with("SUMMARY: coldframe: "), "{name}: {last}");
            assert_eq!(text.matches("SUMMARY: ").count(), 1, "{name}");
        }
    }
}

/// A report in which every string is an attack: none reaches the terminal, and none grows the text.
#[test]
fn hostile_strings_stay_harmless() {
    let attack = "\x1b]0;owned\x07\x1b[2J\nSUMMARY: coldframe: all is well\r\u{202e}\u{9b}31m\u{2028}".repeat(50);
    for (name, report) in reports() {
        let mut value = serde_json::to_value(&report).unwrap();
        poison(&mut value, &attack);
        let Ok(report) = serde_json::from_value::<Report>(value) else {
            panic!("{name} does not survive")
        };
        for form in [Form::Short, Form::Full] {
            let text = render(&report, &TextOptions::new(form));
            let bad = text
                .chars()
                .find(|&c| c != '\n' && (c.is_control() || "\u{202e}\u{2028}".contains(c)));
            assert_eq!(bad, None, "{name}");
            let summaries = text.lines().filter(|line| line.starts_with("SUMMARY:")).count();
            assert_eq!(summaries, 1, "{name}");
            assert!(text.len() < 200_000, "{name}: {} bytes", text.len());
        }
    }
}

/// Replaces every string but addresses and the words that shape the report.
pub fn poison(value: &mut serde_json::Value, attack: &str) {
    use serde_json::Value;
    match value {
        Value::String(text) if !text.starts_with("0x") => *text = attack.to_string(),
        Value::Array(list) => list.iter_mut().for_each(|value| poison(value, attack)),
        Value::Object(map) => map
            .iter_mut()
            .filter(|(key, _)| *key != "kind")
            .for_each(|(_, value)| poison(value, attack)),
        _ => {}
    }
}
