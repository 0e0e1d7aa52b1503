//! What coldframe concludes.

use super::Out;
use super::escape::clip;
use super::style::paint;
use crate::report::model::{Confidence, Report};

/// The most findings and pieces of evidence shown; the JSON report has all.
const MAX_FINDINGS: usize = 10;

pub(super) fn write(out: &mut Out, report: &Report) {
    let style = out.style();
    let room = out.options.width;
    if !report.findings.is_empty() {
        out.gap();
    }
    for finding in report.findings.iter().take(MAX_FINDINGS) {
        let confidence = clip(word(&finding.confidence), 12);
        out.line(&format!(
            "{} {}",
            paint(style.heading, &format!("{confidence}:")),
            paint(style.heading, &clip(&finding.title, room * 2))
        ));
        for evidence in finding.evidence.iter().take(MAX_FINDINGS) {
            out.line(&format!("  - {}", clip(evidence, room * 2)));
        }
        if let Some(advice) = &finding.advice {
            out.line(&format!("  {} {}", paint(style.name, "try:"), clip(advice, room * 2)));
        }
    }
}

/// The word of the JSON report.
pub(in crate::report) fn word(confidence: &Confidence) -> &str {
    match confidence {
        Confidence::Certain => "certain",
        Confidence::Likely => "likely",
        Confidence::Possible => "possible",
        Confidence::Other(word) => word,
    }
}
