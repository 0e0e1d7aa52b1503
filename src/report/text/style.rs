//! Colours of the text report.

use anstyle::{AnsiColor, Effects};

/// The styles of the parts of a report. Whether there is colour at all is the caller's decision: it
/// knows the terminal and NO_COLOR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    pub(super) alarm: anstyle::Style,
    pub(super) heading: anstyle::Style,
    pub(super) python: anstyle::Style,
    pub(super) native: anstyle::Style,
    pub(super) extension: anstyle::Style,
    pub(super) place: anstyle::Style,
    pub(super) caret: anstyle::Style,
    pub(super) name: anstyle::Style,
    pub(super) doubt: anstyle::Style,
    pub(super) dim: anstyle::Style,
}

impl Style {
    /// Without any escape sequences.
    pub fn plain() -> Style {
        Style::default()
    }

    /// With the sixteen colours every terminal and CI log knows.
    pub fn ansi() -> Style {
        let color = |color: AnsiColor| color.on_default();
        Style {
            alarm: color(AnsiColor::Red).bold(),
            heading: anstyle::Style::new().bold(),
            python: color(AnsiColor::Cyan).bold(),
            native: color(AnsiColor::Yellow),
            extension: color(AnsiColor::Yellow).bold(),
            place: color(AnsiColor::Magenta),
            caret: color(AnsiColor::Red).bold(),
            name: color(AnsiColor::Green),
            doubt: color(AnsiColor::Yellow) | Effects::ITALIC,
            dim: anstyle::Style::new().dimmed(),
        }
    }
}

/// The text in a style; as it is where the style is plain.
pub(super) fn paint(style: anstyle::Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
