//! Whether to colour what is printed.

use clap::{Args, ValueEnum};
use coldframe::report::text::Style;

/// `--color`, which every command that prints a report has.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Color {
    /// When to use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    color: When,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum When {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    /// The style for an output that is a terminal or not (https://no-color.org).
    pub fn style(self, is_terminal: bool) -> Style {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colored = match self.color {
            When::Always => true,
            When::Never => false,
            When::Auto => is_terminal && !no_color,
        };
        if colored { Style::ansi() } else { Style::plain() }
    }
}
