//! Durations and sizes as people type them.

use std::time::Duration;

/// `90`, `90s`, `1.5h`, `500ms`: seconds unless a unit follows.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return Err("expected a number with ms, s, m, h or d behind it".to_string()),
    };
    let seconds = number
        .parse::<f64>()
        .map_err(|_| "expected a number such as 30s or 1.5h".to_string())?
        * factor;
    Duration::try_from_secs_f64(seconds).map_err(|_| "that is longer than any program runs".to_string())
}

/// `1000000`, `500K`, `2G`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    coldframe::image::parse_size(text).ok_or_else(|| "expected bytes, or a number with K, M or G behind it".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "s", "-1", "1x", "1e99d", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
