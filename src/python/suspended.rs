//! Generators and coroutines that are suspended: their frames, and what they wait for.

use std::collections::HashSet;

use super::Python;
use crate::addr::Addr;
use crate::layout::Awaits;
use crate::source::MemoryExt;
use crate::source::streams::PythonStep;

/// The most generators of one chain that are followed.
const MAX_CHAIN: usize = 500;
/// `YIELD_FROM` (Include/opcode.h, 3.8 to 3.10).
const YIELD_FROM: u8 = 72;
/// Bytes of one instruction.
const CODE_UNIT: u64 = 2;

/// A chain of suspended coroutines, each waiting for the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Their frames, outermost first.
    pub steps: Vec<PythonStep>,
    /// What the last of them waits for, where that is no coroutine; null where nothing.
    pub waits_for: Addr,
}

impl Python<'_> {
    /// The chain that begins with the coroutine, generator or asynchronous generator at `object`. What runs has no
    /// frames here: they are on the stack of its thread.
    pub(super) fn suspended_chain(&self, object: Addr) -> Chain {
        let offsets = &self.layout.offsets;
        let mut chain = Chain::default();
        let mut seen = HashSet::new();
        let mut at = object;
        while !at.is_null() && seen.insert(at) && chain.steps.len() < MAX_CHAIN {
            let Some(info) = self.type_of(at) else { break };
            at = match info.full_name.as_str() {
                "coroutine" | "generator" | "async_generator" => {
                    let Some(step) = self.suspended_step(at) else { break };
                    chain.steps.push(step);
                    self.awaited(at, &step).unwrap_or_default()
                }
                "coroutine_wrapper" => self.read_or_null(offsets.coroutine_wrapper.coroutine.of(at)),
                "async_generator_asend" => self.read_or_null(offsets.async_gen_send.generator.of(at)),
                "async_generator_athrow" => self.read_or_null(offsets.async_gen_throw.generator.of(at)),
                "_asyncio.FutureIter" => {
                    chain.waits_for = self.read_or_null(offsets.future_iterator.future.of(at));
                    break;
                }
                _ => {
                    chain.waits_for = at;
                    break;
                }
            };
        }
        chain
    }

    /// The frame of a generator that is suspended or has not begun.
    fn suspended_step(&self, generator: Addr) -> Option<PythonStep> {
        let offsets = &self.layout.offsets;
        if !offsets.generator.iframe.is_present() {
            let frame = self.memory.read_addr(offsets.generator.frame.of(generator)).ok()?;
            let mut step = self.step_of_frame_object(frame)?;
            step.lasti = self.lasti_of_frame_object(frame)?;
            step.is_generator = true;
            return self.code(step.code).map(|_| step);
        }
        let state = self.generator_state(generator)?;
        if !self.layout.behaviour.awaits.is_suspended(state) {
            return None;
        }
        let frame = offsets.generator.iframe.of(generator);
        let code = self.read_stack_ref(offsets.frame.executable.of(frame)).ok()?;
        Some(PythonStep {
            frame,
            code,
            lasti: self.instruction(frame, code)?.0,
            is_generator: true,
            has_locals: true,
            ..PythonStep::default()
        })
    }

    /// What a suspended generator delegates to (`_PyGen_yf`, Objects/genobject.c).
    fn awaited(&self, generator: Addr, step: &PythonStep) -> Option<Addr> {
        let offsets = &self.layout.offsets;
        let next = || {
            let code = self.code(step.code)?;
            let next = code.instructions.add(u64::try_from(step.lasti).ok()?).add(CODE_UNIT);
            self.memory.read_array::<2>(next).ok()
        };
        match self.layout.behaviour.awaits {
            Awaits::YieldFrom => {
                if next()?[0] != YIELD_FROM {
                    return None;
                }
                let top = if offsets.frame_object.f_stacktop.is_present() {
                    self.memory
                        .read_addr(offsets.frame_object.f_stacktop.of(step.frame))
                        .ok()?
                } else {
                    let depth = self
                        .memory
                        .read_i32(offsets.frame_object.f_stackdepth.of(step.frame))
                        .ok()?;
                    let stack = self
                        .memory
                        .read_addr(offsets.frame_object.f_valuestack.of(step.frame))
                        .ok()?;
                    stack.add(u64::try_from(depth).ok()?.checked_mul(8)?)
                };
                self.memory.read_addr(top.sub(8)).ok()
            }
            Awaits::ResumeArgument => {
                // RESUME 2 stands behind the `yield` of `yield from`, RESUME 3 behind that of `await`.
                if next()?[1] & 3 < 2 {
                    return None;
                }
                self.stack_item(step.frame, 1)
            }
            Awaits::State { delegating, depth, .. } => {
                let state = self.generator_state(generator)?;
                if state < delegating.0 || delegating.1 < state {
                    return None;
                }
                self.stack_item(step.frame, depth)
            }
        }
    }

    fn generator_state(&self, generator: Addr) -> Option<i8> {
        let state = self.layout.offsets.generator.frame_state.of(generator);
        self.memory.read_u8(state).ok().map(u8::cast_signed)
    }

    /// The item at `depth` of a suspended frame's value stack; 1 is the topmost.
    fn stack_item(&self, frame: Addr, depth: u64) -> Option<Addr> {
        let offsets = &self.layout.offsets.frame;
        let top = if offsets.stackpointer.is_present() {
            self.memory.read_addr(offsets.stackpointer.of(frame)).ok()?
        } else {
            let index = self.memory.read_i32(offsets.stacktop.of(frame)).ok()?;
            offsets
                .localsplus
                .of(frame)
                .add(u64::try_from(index).ok()?.checked_mul(8)?)
        };
        self.read_stack_ref(top.sub(depth.checked_mul(8)?)).ok()
    }
}
