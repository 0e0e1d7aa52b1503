//! Frames of a stack: those of interest unfold to source and variables, the others stand together.

use askama::Template;
use askama::filters::HtmlSafe;

use super::room::Room;
use super::source::{self, Line};
use super::variable::Variables;
use crate::report::library::Library;
use crate::report::model::{Frame, NativeFrame, Owner, PythonFrame};
use crate::report::text::fold::{Step, steps};
use crate::report::text::source::Span;
use crate::report::text::stack::{doubt, instead, place};
use crate::report::text::{clip, module_name};

/// The most frames of a folded run that are listed.
const MOST_FOLDED: usize = 50;

/// A stack.
#[derive(Default, Template)]
#[template(path = "stack.html")]
pub(super) struct Stack {
    rows: Vec<Row>,
}

impl HtmlSafe for Stack {}

/// How much of a stack is shown.
#[derive(Clone, Copy)]
pub(super) struct Detail<'a> {
    /// What the program did not bring along.
    pub(super) library: &'a Library,
    /// How many of the program's own frames are unfolded, the innermost ones.
    pub(super) open: usize,
    /// Source lines and variables are there to unfold.
    pub(super) parts: bool,
    /// The most rows.
    pub(super) rows: usize,
}

enum Row {
    Frame(View),
    /// Frames that are not shown by themselves, with as many of them as are listed.
    Folded(String, Vec<View>),
}

struct View {
    number: usize,
    /// `Py`, `C` or `?`.
    kind: &'static str,
    is_extension: bool,
    function: String,
    place: String,
    module: String,
    remarks: Vec<String>,
    source: Vec<Line>,
    variables: Variables,
    is_open: bool,
}

impl Row {
    /// About what it takes besides its source and variables.
    fn bytes(&self) -> usize {
        match self {
            Row::Frame(view) => view.bytes(),
            Row::Folded(text, views) => 100 + text.len() + views.iter().map(View::bytes).sum::<usize>(),
        }
    }
}

impl View {
    fn bytes(&self) -> usize {
        350 + self.function.len() + self.place.len() + self.module.len()
    }

    fn has_parts(&self) -> bool {
        !self.source.is_empty() || !self.variables.is_empty()
    }
}

impl Stack {
    pub(super) fn of(frames: &[Frame], detail: Detail<'_>, room: &mut Room) -> Stack {
        let mut open = detail.open;
        let mut rows = Vec::new();
        for step in steps(frames, true, detail.rows) {
            let row = match step {
                Step::Frame(index) => {
                    let mut view = View::of(index, &frames[index], detail.parts.then_some(&mut *room));
                    // The others unfold when somebody wants to know.
                    if view.has_parts() && open > 0 && detail.library.is_application(&frames[index]) {
                        open -= 1;
                        view.is_open = true;
                    }
                    Row::Frame(view)
                }
                Step::Plumbing { first, count, .. } => {
                    let folded = frames.iter().enumerate().skip(first).take(count.min(MOST_FOLDED));
                    let views = folded.map(|(index, frame)| View::of(index, frame, None)).collect();
                    Row::Folded(instead(frames, step), views)
                }
                Step::Repeat { .. } | Step::Gap { .. } => Row::Folded(instead(frames, step), Vec::new()),
            };
            if !room.take(row.bytes()) {
                rows.push(Row::Folded(
                    "… the page is full: frames are left out".to_string(),
                    Vec::new(),
                ));
                break;
            }
            rows.push(row);
        }
        Stack { rows }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl View {
    /// Of a frame; its source and variables where there is `room` for them.
    fn of(number: usize, frame: &Frame, room: Option<&mut Room>) -> View {
        match frame {
            Frame::Python(frame) => View::of_python(number, frame, room),
            Frame::Native(frame) => View::of_native(number, frame, room),
            Frame::Unknown => View {
                function: "a frame of a kind this version does not know".to_string(),
                ..View::empty(number, "?")
            },
        }
    }

    fn empty(number: usize, kind: &'static str) -> View {
        View {
            number,
            kind,
            is_extension: false,
            function: String::new(),
            place: String::new(),
            module: String::new(),
            remarks: Vec::new(),
            source: Vec::new(),
            variables: Variables::default(),
            is_open: false,
        }
    }

    fn of_python(number: usize, frame: &PythonFrame, room: Option<&mut Room>) -> View {
        let function = frame.qualname.as_deref().or(frame.function.as_deref());
        let owner = match &frame.owner {
            Some(Owner::Generator) => Some("generator"),
            Some(Owner::Coroutine) => Some("coroutine"),
            Some(Owner::Thread | Owner::Other(_)) | None => None,
        };
        let mut view = View {
            function: clip(function.unwrap_or("???"), 200),
            place: place(frame.file.as_deref(), frame.line, 300).unwrap_or_default(),
            remarks: owner.map(str::to_string).into_iter().collect(),
            ..View::empty(number, "Py")
        };
        if let Some(room) = room {
            view.source = source::lines(&frame.source, &Span::of_python(frame), room);
            view.variables = Variables::of(&frame.locals, room);
        }
        view
    }

    fn of_native(number: usize, frame: &NativeFrame, room: Option<&mut Room>) -> View {
        let module = frame.module.as_deref().map(module_name);
        let offset = frame.module_offset.map(|offset| format!("+{offset}"));
        let address = || frame.address.map(|address| address.to_string());
        let unknown = || match &module {
            Some(_) => "??".to_string(),
            None => format!("{} in no module", address().unwrap_or_else(|| "??".to_string())),
        };
        let inlined = frame.inlined.then(|| "inlined".to_string());
        let (source, variables) = match room {
            Some(room) => (
                source::lines(&frame.source, &Span::of_native(frame), room),
                Variables::of(&frame.locals, room),
            ),
            None => (Vec::new(), Variables::default()),
        };
        View {
            is_extension: frame.extension,
            function: frame
                .function
                .as_deref()
                .map_or_else(unknown, |function| clip(function, 200)),
            place: place(frame.file.as_deref(), frame.line, 300).unwrap_or_default(),
            module: match (&module, &frame.function) {
                (Some(module), None) => format!("{module}{}", offset.unwrap_or_default()),
                (Some(module), Some(_)) => module.clone(),
                (None, _) => String::new(),
            },
            remarks: inlined.into_iter().chain(doubt(frame.trust.as_ref())).collect(),
            source,
            variables,
            ..View::empty(number, "C")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Variable;

    #[test]
    fn variables_of_native_frames_unfold() {
        let frame = |extension| {
            Frame::Native(NativeFrame {
                function: Some("flush".into()),
                extension,
                module: Some("/s/_fast.so".into()),
                locals: vec![Variable {
                    name: "buffer".into(),
                    ..Variable::default()
                }],
                ..NativeFrame::default()
            })
        };
        let detail = Detail {
            library: &Library::default(),
            open: 8,
            parts: true,
            rows: 9,
        };
        let html = |bytes| {
            let frames = [frame(true), frame(false)];
            Stack::of(&frames, detail, &mut Room::of(bytes)).render().unwrap()
        };
        let all = html(10_000);
        assert_eq!(all.matches("<span class=\"name\">buffer</span>").count(), 2, "{all}");
        assert_eq!(all.matches("<details open>").count(), 1, "{all}");
        // What does not fit is left out, and that is said.
        let little = html(600);
        assert_eq!(little.matches("flush").count(), 1, "{little}");
        assert!(little.contains("frames are left out"), "{little}");
    }
}
