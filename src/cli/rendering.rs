//! The forms in which `run` and `dump` print a report.

use clap::ValueEnum;
use coldframe::report::text::{self, Form, Style, TextOptions};
use coldframe::report::{Report, json};

/// Form of the report that a crash prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportForm {
    /// Headline, findings, the crashed thread, summary
    Short,
    /// Everything
    Full,
    /// One line of JSON
    Json,
    /// Nothing: the dump alone
    None,
}

impl ReportForm {
    /// As the option and [`coldframe::capture::variables::REPORT`] spell it.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// A report in the form that was asked for, with a line end; nothing for [`ReportForm::None`].
pub fn render(report: &Report, form: ReportForm, style: Style) -> String {
    let text = |form| {
        text::render(
            report,
            &TextOptions {
                style,
                ..TextOptions::new(form)
            },
        )
    };
    let mut text = match form {
        ReportForm::Short => text(Form::Short),
        ReportForm::Full => text(Form::Full),
        ReportForm::Json => json::line(report).unwrap_or_default(),
        ReportForm::None => return String::new(),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
