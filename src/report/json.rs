//! The report as JSON.

use super::model::{Report, SCHEMA};

/// Why a text is not a report.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON, or not of this shape.
    #[error("not a coldframe report: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It is of a version this program does not know.
    #[error("the report has schema {0:?}; this program reads {SCHEMA:?}")]
    Schema(String),
    /// A packed report does not fit together, or is too large.
    #[error("the packed report is damaged or too large")]
    Packed,
}

/// The report over many lines, with a line end.
///
/// # Errors
/// None that a report can cause; serde's interface has one.
pub fn pretty(report: &Report) -> Result<String, JsonError> {
    Ok(safe(serde_json::to_string_pretty(report)?))
}

/// Any of the models here over many lines, with a line end.
///
/// # Errors
/// As for [`pretty`].
pub fn pretty_value(value: &impl serde::Serialize) -> Result<String, JsonError> {
    Ok(safe(serde_json::to_string_pretty(value)?))
}

/// The report in one line, with a line end.
///
/// # Errors
/// As for [`pretty`].
pub fn line(report: &Report) -> Result<String, JsonError> {
    Ok(safe(serde_json::to_string(report)?))
}

/// Reads a report back.
///
/// # Errors
/// Where the text is not JSON, lacks a field every report has, or has another schema.
pub fn parse(text: &str) -> Result<Report, JsonError> {
    let report: Report = serde_json::from_str(text)?;
    if report.schema == SCHEMA {
        Ok(report)
    } else {
        Err(JsonError::Schema(report.schema))
    }
}

/// Escapes what could disturb a terminal or a reader of lines, and ends the last line. serde_json escapes only what
/// JSON asks for (below U+0020); such characters stand only inside strings, where the escape means the same.
fn safe(json: String) -> String {
    // Tens of megabytes, nearly always ASCII: characters are looked at only where there are others.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
    let mut text = String::with_capacity(json.len() + 1);
    let mut rest = json.as_str();
    while let Some(at) = rest.bytes().position(|byte| !is_plain(&byte)) {
        let (plain, other) = rest.split_at(at);
        text.push_str(plain);
        let mut characters = other.chars();
        match characters.next() {
            Some(c) if super::text::is_hostile(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
            Some(c) => text.push(c),
            None => break,
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_survives_as_escapes() {
        let mut report = Report::default();
        let hostile = "\u{9b}31m \u{202e}txt \u{2028} \u{e0041} \x1b[0m é 漢";
        report.annotations.insert("note".to_string(), hostile.to_string());
        let json = line(&report).unwrap();
        assert_eq!(json.lines().count(), 1);
        assert!(!json.trim_end().chars().any(super::super::text::is_hostile), "{json}");
        assert!(json.contains("é 漢"));
        assert_eq!(parse(&json).unwrap(), report);
        assert_eq!(parse(&pretty(&report).unwrap()).unwrap(), report);
    }

    #[test]
    fn only_known_fields_that_are_set_are_written() {
        let json = line(&Report::default()).unwrap();
        assert_eq!(
            json,
            "{\"schema\":\"coldframe-report/1\",\"input\":{\"kind\":\"minidump\"},\"threads\":[]}\n"
        );
    }

    #[test]
    fn unknown_words_fields_and_frames_are_read() {
        let json = r#"{"schema":"coldframe-report/1","input":{"kind":"tape"},"future":1,"trigger":"omen","threads":[
            {"tid":1,"crashed":true,"frames":[{"kind":"wasm","pc":1},{"kind":"native","address":"0x7f00","trust":"prayer"}]}]}"#;
        let report = parse(json).unwrap();
        let again = line(&report).unwrap();
        assert!(
            again.contains("\"tape\"") && again.contains("\"omen\"") && again.contains("\"prayer\""),
            "{again}"
        );
        assert!(again.contains("\"0x7f00\""));
    }

    #[test]
    fn other_schemas_and_addresses_that_are_none_are_refused() {
        let other = r#"{"schema":"coldframe-report/2","input":{"kind":"core"},"threads":[]}"#;
        assert!(matches!(parse(other), Err(JsonError::Schema(_))));
        let number = r#"{"schema":"coldframe-report/1","input":{"kind":"core"},"threads":[],"crash":{"address":"12"}}"#;
        assert!(matches!(parse(number), Err(JsonError::Syntax(_))));
    }
}
