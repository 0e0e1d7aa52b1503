//! Variables of native frames: those that a dump has, and those that debug information at hand tells.

use super::frames::{FrameBuilder, NativeLocals, value_variable};
use super::{LOOKUP_TIME, ThreadStack, Walk};
use crate::native::{self, Renderer, Secrets, Variables};
use crate::report::model;
use crate::source::Thread;
use crate::source::streams::NativeStep;
use crate::source::variables::{NativeVariable, RecordedVariables};
use crate::unwind::Unwinder;

/// How many frames from the fault outwards are looked at.
const MAX_FRAMES: usize = 24;
/// Of the interpreter itself only so many: its debug information is large.
const RUNTIME_FRAMES: usize = 3;
/// How many objects the values may cost.
const OBJECTS: u32 = 2_000;
/// The most variables of a function that are shown: a dump may be made by anyone.
const MAX_VARIABLES: usize = 100;

impl Walk<'_, '_> {
    /// The variables of a thread's native frames; the innermost `signal_frames` belong to the delivery of a signal.
    pub fn native_variables(
        &self,
        builder: &mut FrameBuilder<'_, '_, '_, '_>,
        thread: &Thread,
        stack: &ThreadStack,
        signal_frames: usize,
        unwinder: &mut Unwinder<'_>,
    ) -> Vec<RecordedVariables> {
        let (Some(registers), false) = (&thread.registers, self.options.no_locals || self.options.no_native) else {
            return Vec::new();
        };
        let recorded = &self.target.recorded().variables;
        let is_recorded = |step: &NativeStep| {
            recorded
                .iter()
                .any(|known| known.pc == step.pc && known.cfa == step.cfa)
        };
        let frames: Vec<native::Frame> = unwinder
            .frames(registers, signal_frames + MAX_FRAMES)
            .into_iter()
            .zip(&stack.native)
            .take_while(|((step, ..), known)| step.pc == known.pc)
            .map(|((step, registers, known), _)| native::Frame { step, registers, known })
            .collect();
        let wanted: Vec<bool> = frames
            .iter()
            .enumerate()
            .map(|(index, frame)| {
                index >= signal_frames
                    && !is_recorded(&frame.step)
                    && builder.has_variables(&frame.step, index - signal_frames < RUNTIME_FRAMES)
            })
            .collect();
        let variables = Variables {
            memory: self.target.memory(),
            modules: self.target.modules(),
            images: self.symbolizer.images(),
            notes: self.notes,
            time: self.options.lookup_time.unwrap_or(LOOKUP_TIME),
        };
        let mut found = variables.of_frames(&frames, |index| wanted.get(index) == Some(&true));
        let secrets = Secrets {
            memory: self.target.memory(),
            python: self.python,
            redactor: self.redactor,
        };
        secrets.hide(&mut found);
        found.extend(recorded.iter().cloned());
        found
    }

    /// Their values.
    pub fn native_locals(&self, variables: &[RecordedVariables]) -> NativeLocals {
        let mut limits = self.options.limits.clone();
        limits.budget = OBJECTS;
        let mut renderer = Renderer {
            memory: self.target.memory(),
            python: self.python,
            limits,
        };
        let mut function = |variables: &Vec<NativeVariable>| {
            let variables = variables.iter().take(MAX_VARIABLES);
            variables.map(|variable| shown(variable, &mut renderer)).collect()
        };
        variables
            .iter()
            .take(MAX_FRAMES)
            .map(|frame| {
                (
                    (frame.pc, frame.cfa),
                    frame.functions.iter().map(&mut function).collect(),
                )
            })
            .collect()
    }
}

fn shown(variable: &NativeVariable, renderer: &mut Renderer<'_, '_>) -> model::Variable {
    let scope = Some(match variable.is_argument {
        true => model::Scope::Argument,
        false => model::Scope::Local,
    });
    match renderer.value(variable) {
        Some(value) => model::Variable {
            scope,
            ..value_variable(variable.name.clone(), value)
        },
        None => model::Variable {
            name: variable.name.clone(),
            scope,
            type_name: Some(variable.kind.name.clone()),
            state: model::ValueState::OptimizedOut,
            ..model::Variable::default()
        },
    }
}
