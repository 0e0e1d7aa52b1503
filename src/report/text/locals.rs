//! Variables of a Python frame: as many on a line as fit.

use super::escape::{clip, columns};
use super::style::paint;
use super::{Out, thousands};
use crate::report::model::{ValueState, Variable};

/// How deep children of children are shown.
const MAX_DEPTH: usize = 3;
/// The most parts of one object.
const MAX_PARTS: usize = 10;

pub(super) fn write(out: &mut Out, variables: &[Variable], indent: usize) {
    let (limit, value_width) = if out.is_short() { (8, 60) } else { (40, 200) };
    let is_short = out.is_short();
    let known = variables.iter().filter(|variable| match variable.state {
        ValueState::Unset | ValueState::OptimizedOut => false,
        ValueState::Folded => !is_short,
        _ => true,
    });
    let mut block = Block::new(out, indent);
    for variable in known.clone().take(limit) {
        block.push(variable, value_width);
        if !block.out.is_short() {
            block.parts(variable, value_width, 1);
        }
    }
    block.end();
    let rest = known.count().saturating_sub(limit);
    if rest > 0 {
        let style = out.style();
        let margin = " ".repeat(indent);
        out.line(&format!("{margin}{}", paint(style.dim, &format!("| … {rest} more"))));
    }
    if !is_short {
        optimized_out(out, variables, indent);
    }
}

/// Those without a value together, as far as a line goes: of optimised code they are most.
fn optimized_out(out: &mut Out, variables: &[Variable], indent: usize) {
    let without_value = |variable: &&Variable| variable.state == ValueState::OptimizedOut;
    let names: Vec<&str> = variables
        .iter()
        .filter(without_value)
        .map(|variable| variable.name.as_str())
        .collect();
    if names.is_empty() {
        return;
    }
    let line = clip(
        &format!("| optimized out: {}", names.join(", ")),
        out.options.width.saturating_sub(indent),
    );
    out.line(&format!("{}{}", " ".repeat(indent), paint(out.style().dim, &line)));
}

/// Whether the children say what the value does not: `<Reader object at 0x…>`, or a pointer.
fn has_hidden_parts(variable: &Variable) -> bool {
    !variable.children.is_empty()
        && variable
            .value
            .as_ref()
            .is_none_or(|value| value.starts_with('<') || value.starts_with("0x"))
}

/// Lines of variables under construction.
struct Block<'a> {
    out: &'a mut Out,
    margin: String,
    line: String,
    used: usize,
    /// How far in the line stands: parts of variables stand below them.
    depth: usize,
}

impl<'a> Block<'a> {
    fn new(out: &'a mut Out, indent: usize) -> Block<'a> {
        let margin = format!("{}{} ", " ".repeat(indent), paint(out.style().dim, "|"));
        Block {
            out,
            margin,
            line: String::new(),
            used: 0,
            depth: 0,
        }
    }

    fn push(&mut self, variable: &Variable, value_width: usize) {
        let style = self.out.style();
        let name = clip(&variable.name, 40);
        let value = value(variable, value_width);
        let width = columns(&name) + 3 + columns(&value);
        let room = self.out.options.width.saturating_sub(14 + 2 * self.depth);
        if self.used > 0 && self.used + 3 + width > room {
            self.end();
        }
        if self.used > 0 {
            self.line.push_str("   ");
            self.used += 3;
        }
        let value = match variable.state {
            ValueState::Ok => value,
            _ => paint(style.dim, &value),
        };
        self.line.push_str(&format!("{} = {value}", paint(style.name, &name)));
        self.used += width;
    }

    /// The parts of the variable pushed last, each level further in; of each object once in a stack.
    fn parts(&mut self, variable: &Variable, value_width: usize, depth: usize) {
        let is_new = variable.address.is_none_or(|address| self.out.shown.insert(address));
        if !has_hidden_parts(variable) || depth > MAX_DEPTH || !is_new {
            return;
        }
        self.end();
        self.depth = depth;
        for child in variable.children.iter().take(MAX_PARTS) {
            self.push(child, value_width);
            self.parts(child, value_width, depth + 1);
        }
        self.end();
        if variable.children.len() > MAX_PARTS {
            self.line = format!("… {} more", variable.children.len() - MAX_PARTS);
            self.used = 1;
            self.end();
        }
        self.depth = depth - 1;
    }

    fn end(&mut self) {
        if self.used > 0 {
            let line = format!("{}{}{}", self.margin, "  ".repeat(self.depth), self.line);
            self.out.line(&line);
        }
        self.line.clear();
        self.used = 0;
    }
}

/// Whether a repr was shortened where it was made.
fn is_cut(value: &str) -> bool {
    value.trim_end_matches([']', ')', '}', '\'', '"']).ends_with(['.', '…'])
}

/// The value as it is shown, or why there is none.
pub(in crate::report) fn value(variable: &Variable, width: usize) -> String {
    match &variable.state {
        ValueState::Redacted => "(redacted)".to_string(),
        ValueState::Unreadable | ValueState::Folded => match &variable.value {
            Some(value) => clip(value, width),
            None => "(unreadable)".to_string(),
        },
        ValueState::Unset => "(unset)".to_string(),
        ValueState::OptimizedOut => "(optimized out)".to_string(),
        ValueState::Other(word) => format!("({})", clip(word, 20)),
        ValueState::Ok => match (&variable.value, &variable.type_name, variable.address) {
            (Some(value), ..) => {
                let length = variable
                    .length
                    .filter(|_| is_cut(value))
                    .and_then(|length| usize::try_from(length).ok());
                let length = length
                    .map(|length| format!(" (length {})", thousands(length)))
                    .unwrap_or_default();
                format!("{}{length}", clip(value, width))
            }
            (None, Some(name), Some(address)) => format!("<{} at {address}>", clip(name, 40)),
            (None, Some(name), None) => format!("<{}>", clip(name, 40)),
            (None, None, _) => "?".to_string(),
        },
    }
}
