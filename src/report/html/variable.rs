//! Variables as trees that unfold.

use askama::Template;
use askama::filters::HtmlSafe;

use super::room::Room;
use crate::report::model::{Scope, ValueState, Variable};
use crate::report::text::{clip, locals};

/// The most variables of a frame, and parts of a value.
const MOST: usize = 60;
/// How deep parts of parts go.
const DEPTH: usize = 8;
/// The most columns of a value.
const COLUMNS: usize = 2_000;

/// Variables of a frame, or parts of a value.
#[derive(Default, Template)]
#[template(path = "variables.html")]
pub(super) struct Variables {
    list: Vec<View>,
    /// How many there are besides.
    more: usize,
}

impl HtmlSafe for Variables {}

struct View {
    name: String,
    scope: &'static str,
    type_name: String,
    value: String,
    /// It has a value, not the reason for there being none.
    is_known: bool,
    parts: Variables,
}

impl Variables {
    pub(super) fn of(variables: &[Variable], room: &mut Room) -> Variables {
        Variables::level(variables, DEPTH, room)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.more == 0
    }

    fn level(variables: &[Variable], depth: usize, room: &mut Room) -> Variables {
        let list: Vec<View> = variables
            .iter()
            .take(if depth == 0 { 0 } else { MOST })
            .map_while(|variable| View::of(variable, depth, room))
            .collect();
        Variables {
            more: variables.len() - list.len(),
            list,
        }
    }
}

impl View {
    fn of(variable: &Variable, depth: usize, room: &mut Room) -> Option<View> {
        let view = View {
            name: clip(&variable.name, 100),
            scope: match &variable.scope {
                Some(Scope::Argument) => "argument",
                Some(Scope::Cell) => "cell",
                Some(Scope::Free) => "free",
                Some(Scope::Local | Scope::Other(_)) | None => "",
            },
            type_name: clip(variable.type_name.as_deref().unwrap_or_default(), 100),
            value: locals::value(variable, COLUMNS),
            is_known: variable.state == ValueState::Ok,
            parts: Variables::default(),
        };
        // The elements around it.
        let taken = 150 + view.name.len() + view.type_name.len() + view.value.len();
        room.take(taken).then(|| View {
            parts: Variables::level(&variable.children, depth - 1, room),
            ..view
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_without_end_is_cut() {
        let mut variable = Variable::default();
        for depth in 0..100 {
            variable = Variable {
                name: format!("<{depth}>"),
                children: vec![variable; 2],
                ..Variable::default()
            };
            if depth > 12 {
                variable.children.truncate(1);
            }
        }
        let html = Variables::of(&[variable], &mut Room::of(1_000_000)).render().unwrap();
        assert!(html.contains("&#60;99&#62;"), "{html}");
        assert_eq!(html.matches("<details").count(), DEPTH);
        assert!(html.contains("1 more"), "{html}");
    }
}
