//! The last lines that the program left.

use super::escape::clip;
use super::style::paint;
use super::{Form, Out};
use crate::report::model::Report;

/// How many of the newest are shown.
const IN_FULL: usize = 50;
const IN_SHORT: usize = 5;

pub(super) fn write(out: &mut Out, report: &Report) {
    let wanted = match out.options.form {
        Form::Short => IN_SHORT,
        Form::Full => IN_FULL,
    };
    let total = report.breadcrumbs.len();
    if total == 0 {
        return;
    }
    out.gap();
    let label = paint(out.style().heading, "Breadcrumbs");
    let shown = if total > wanted {
        format!(" (the last {wanted} of {total})")
    } else {
        String::new()
    };
    out.line(&format!("{label}{shown}, the newest last:"));
    for breadcrumb in report.breadcrumbs.iter().skip(total.saturating_sub(wanted)) {
        let time = breadcrumb.time.as_deref().unwrap_or("?");
        let room = out.options.width.saturating_sub(30).max(40);
        out.line(&format!("  {}  {}", clip(time, 24), clip(&breadcrumb.text, room)));
    }
}
