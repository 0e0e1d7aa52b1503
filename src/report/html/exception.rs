//! Exceptions of a thread, each with its chain.

use super::frame::{Detail, Stack};
use super::room::Room;
use crate::report::library::Library;
use crate::report::model::Thread;
use crate::report::text::clip;
use crate::report::text::exception::{MAX_CHAIN, MAX_PARTS, chain, title};

/// One exception.
pub(super) struct View {
    /// How it came about.
    pub(super) relation: &'static str,
    pub(super) title: String,
    pub(super) notes: Vec<String>,
    pub(super) members: Vec<String>,
    pub(super) traceback: Stack,
}

pub(super) fn views(thread: &Thread, library: &Library, room: &mut Room) -> Vec<View> {
    let exceptions = [&thread.exception, &thread.handling].into_iter().flatten();
    exceptions
        .flat_map(|exception| chain(exception).take(MAX_CHAIN))
        .map(|(relation, exception)| View {
            relation,
            title: title(exception, 1_000),
            notes: exception
                .notes
                .iter()
                .take(MAX_PARTS)
                .map(|note| clip(note, 300))
                .collect(),
            members: exception
                .exceptions
                .iter()
                .take(MAX_PARTS)
                .map(|member| title(member, 300))
                .collect(),
            traceback: Stack::of(
                &exception.traceback,
                Detail {
                    library,
                    open: 0,
                    parts: true,
                    rows: 30,
                },
                room,
            ),
        })
        .collect()
}
