//! Variables of native frames, by the debug information of their images.
//!
//! [`Variables`] takes a few frames with their registers ([`crate::unwind::Unwinder::frames`]), finds the functions at
//! each ([`scope`]), evaluates where their variables are ([`place`]) and describes their types ([`types`]). What comes
//! of it is plain data, which a dump keeps: offline it needs no image. [`render`] reads the values, but for what
//! [`secrets`] leaves out.
//!
//! Invariant: nothing of a Python version is known here: objects are shown by `python`.

mod calls;
mod info;
mod place;
mod render;
mod scope;
mod secrets;
mod structures;
mod types;

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::addr::{Addr, Svma};
use crate::image::{Image, Images};
use crate::notes::Notes;
use crate::source::streams::NativeStep;
use crate::source::variables::{NativeVariable, RecordedVariables};
use crate::source::{Memory, Modules, Registers};
use info::Info;
use place::Places;

pub use render::Renderer;
pub use secrets::Secrets;
pub use structures::structure;

/// The most variables of one function that are shown.
const MAX_VARIABLES: usize = 100;

/// A frame, and what its registers held.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The frame.
    pub step: NativeStep,
    /// Its registers.
    pub registers: Registers,
    /// Which of them are known, a bit for each DWARF number: calls change the others.
    pub known: u32,
}

/// A frame with its image.
struct Placed {
    frame: Frame,
    image: Option<Rc<Image>>,
    bias: u64,
}

impl Placed {
    /// A stated address in its image.
    fn svma(&self, address: Addr) -> Svma {
        Svma(address.0.wrapping_sub(self.bias))
    }
}

/// Finds variables.
pub struct Variables<'a> {
    /// The memory of the process.
    pub memory: &'a dyn Memory,
    /// Its images.
    pub modules: &'a Modules,
    /// Their files.
    pub images: &'a Images,
    /// Takes what could not be found out.
    pub notes: &'a Notes,
    /// How long it may take.
    pub time: Duration,
}

impl Variables<'_> {
    /// The variables of those of `frames` that are `wanted`, as far as there is debug information. The frames are one
    /// behind the other, innermost first.
    pub fn of_frames(&self, frames: &[Frame], wanted: impl Fn(usize) -> bool) -> Vec<RecordedVariables> {
        let deadline = Instant::now() + self.time;
        let placed: Vec<Placed> = frames.iter().map(|frame| self.placed(frame)).collect();
        let infos: Vec<OnceCell<Option<Info<'_>>>> = placed.iter().map(|_| OnceCell::new()).collect();
        let places = Places {
            memory: self.memory,
            frames: &placed,
            infos: &infos,
        };
        let mut found = Vec::new();
        for index in (0..frames.len()).filter(|&index| wanted(index)) {
            if Instant::now() >= deadline {
                self.notes.push(
                    "native",
                    "variables of native frames took too long to find",
                    "those of outer frames are missing",
                    "",
                );
                break;
            }
            let (Some(frame), Some(functions)) = (frames.get(index), functions(&places, index)) else {
                continue;
            };
            if functions.iter().any(|function| !function.is_empty()) {
                found.push(RecordedVariables {
                    pc: frame.step.pc,
                    cfa: frame.step.cfa,
                    functions,
                    code: code(&places, index),
                });
            }
        }
        found
    }

    fn placed(&self, frame: &Frame) -> Placed {
        let module = self.modules.find(frame.step.lookup());
        let image = module.and_then(|module| self.images.image(module).ok());
        let bias = module
            .zip(image.as_ref())
            .and_then(|(module, image)| image.bias(module.range.start));
        Placed {
            frame: *frame,
            image: image.filter(|_| bias.is_some()),
            bias: bias.unwrap_or_default(),
        }
    }
}

/// The variables of the functions at a frame, inlined ones first.
fn functions<'a>(places: &Places<'_, 'a>, index: usize) -> Option<Vec<Vec<NativeVariable>>> {
    let info = places.info(index)?;
    let placed = places.frames.get(index)?;
    let levels = scope::levels(info, placed.svma(placed.frame.step.lookup()))?;
    let functions = levels.iter().rev().map(|level| {
        let variables = level.variables.iter().take(MAX_VARIABLES);
        let variable = |variable: &scope::Variable<'a>| {
            let kind = types::of(info, &variable.die)?;
            Some(NativeVariable {
                name: variable.name.clone(),
                is_argument: variable.is_argument,
                place: places.of_variable(index, &variable.die, kind.size),
                register: places.register_of(index, &variable.die),
                kind,
            })
        };
        variables.filter_map(variable).collect()
    });
    Some(functions.collect())
}

/// The first address of the function at a frame, and the length of its code.
fn code(places: &Places<'_, '_>, index: usize) -> Option<(Addr, u64)> {
    let info = places.info(index)?;
    let placed = places.frames.get(index)?;
    let address = placed.svma(placed.frame.step.lookup());
    let function = scope::function_at(info, address)?;
    let range = info.range_at(&function, &function.entry()?, address)?;
    Some((Addr(range.begin.wrapping_add(placed.bias)), range.end - range.begin))
}
