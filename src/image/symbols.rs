//! Names for addresses: from local files where they are of the same build, else from the dump.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::addr::Addr;
use crate::notes::Notes;
use crate::source::streams::{RecordedSymbols, SymbolFrame};
use crate::source::{Module, Modules};

use super::{ImageError, Images};

/// Which provider named an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SymbolProvider {
    /// A file of the same build.
    LocalFile,
    /// What was recorded when the dump was made.
    Dump,
}

/// What is known of an address.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The functions, inlined ones before the one they are inlined into; empty where there is no symbol.
    pub frames: Rc<[SymbolFrame]>,
    /// Where they come from; `None` where there are none.
    pub provider: Option<SymbolProvider>,
}

/// Names addresses, each once.
pub struct Symbolizer<'a> {
    images: &'a Images,
    modules: &'a Modules,
    recorded: &'a RecordedSymbols,
    answers: RefCell<BTreeMap<Addr, Answer>>,
}

impl<'a> Symbolizer<'a> {
    /// Asks `images` first and `recorded` second.
    pub fn new(images: &'a Images, modules: &'a Modules, recorded: &'a RecordedSymbols) -> Symbolizer<'a> {
        Symbolizer {
            images,
            modules,
            recorded,
            answers: RefCell::default(),
        }
    }

    /// The files it asks.
    pub fn images(&self) -> &'a Images {
        self.images
    }

    /// Names the address `lookup` (see [`NativeStep::lookup`]); notes each module in which an address has
    /// no name, once.
    ///
    /// [`NativeStep::lookup`]: crate::source::streams::NativeStep::lookup
    pub fn symbolize(&self, lookup: Addr, notes: &Notes) -> Answer {
        if let Some(known) = self.answers.borrow().get(&lookup) {
            return known.clone();
        }
        let module = self.modules.find(lookup);
        let local = module.map(|module| self.images.symbolize(module, lookup));
        let recorded = self.recorded.get(&lookup).filter(|frames| !frames.is_empty());
        let answer = match (&local, recorded) {
            (Some(Ok(local)), Some(recorded)) if has_line(recorded) && !has_line(local) => Answer::dump(recorded),
            (Some(Ok(local)), _) if !local.is_empty() => Answer {
                frames: local.as_slice().into(),
                provider: Some(SymbolProvider::LocalFile),
            },
            (_, Some(recorded)) => Answer::dump(recorded),
            (_, None) => {
                if let Some(module) = module {
                    note_missing(module, local.and_then(Result::err).as_ref(), notes);
                }
                Answer {
                    frames: Rc::new([]),
                    provider: None,
                }
            }
        };
        self.answers.borrow_mut().insert(lookup, answer.clone());
        answer
    }

    /// All answers given, those without a name included: what capture writes into the dump.
    pub fn into_recorded(self) -> RecordedSymbols {
        let answers = self.answers.into_inner();
        answers
            .into_iter()
            .map(|(addr, answer)| (addr, answer.frames.to_vec()))
            .collect()
    }
}

impl Answer {
    fn dump(recorded: &[SymbolFrame]) -> Answer {
        Answer {
            frames: recorded.into(),
            provider: Some(SymbolProvider::Dump),
        }
    }
}

fn has_line(frames: &[SymbolFrame]) -> bool {
    frames.iter().any(|frame| frame.line.is_some())
}

/// The first note says nothing of local files, so that it reads the same at capture and afterwards.
fn note_missing(module: &Module, error: Option<&ImageError>, notes: &Notes) {
    let name = module.name();
    // The vDSO is no file that anybody could supply.
    if name.starts_with('[') {
        return;
    }
    let id = module.build_id.as_ref();
    notes.push(
        "symbols",
        format!("some addresses in {name} have no symbol"),
        "native frames there show only their address",
        match id {
            Some(id) => format!("its symbols (build id {id}): --symbols PATH, or the distribution's debug package"),
            None => "none: it has no build id, so that no file can be told to be the one that was loaded".to_string(),
        },
    );
    if let Some(ImageError::OtherBuild { .. }) = error {
        note_other_build(module, notes);
    }
}

/// Says that there is a file, but not the right one.
pub(super) fn note_other_build(module: &Module, notes: &Notes) {
    notes.push(
        "symbols",
        format!(
            "the file at {} is another build than the one that was loaded",
            module.path
        ),
        "it is not used",
        "",
    );
}
