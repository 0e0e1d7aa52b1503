//! The report as one HTML page: no network, no script, readable with every element folded and unfolded.
//!
//! [`page`] is the page of one report, [`Crash`] its body, [`Page`] what is around any body. The text of the elements
//! comes from [`super::text`]; the templates in templates/ place it, and askama escapes whatever they print.
//!
//! Invariant: only [`Page`] and the types of `view` are marked as HTML, and those are templates themselves; every other
//! string is escaped on its way into the page, and has no control characters left by then.

mod exception;
mod frame;
mod room;
mod source;
mod thread;
mod variable;
mod view;

use askama::Template;
use askama::filters::HtmlSafe;

use super::model::Report;
pub use room::Room;
pub use view::Crash;

/// A page around a body.
#[derive(Template)]
#[template(path = "page.html")]
pub struct Page<'a, B: HtmlSafe> {
    /// For the window.
    pub title: &'a str,
    /// What is on the page.
    pub body: B,
}

/// The report as a page.
///
/// # Errors
/// None that rendering into memory could have; the type is askama's.
pub fn page(report: &Report) -> askama::Result<String> {
    let body = Crash::of(report);
    Page {
        title: &body.summary.clone(),
        body,
    }
    .render()
}
