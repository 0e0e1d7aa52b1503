//! The frames of one thread, as the report shows them.

use std::collections::HashMap;
use std::rc::Rc;

use super::extensions::is_extension;
use super::sources::SourceText;
use super::{ThreadStack, Walk};
use crate::addr::Addr;
use crate::image::MemoryElf;
use crate::python::linetable::Position;
use crate::python::{Bytecode, Code, Limits, Local, LocalState, Python, Scope, Value};
use crate::report::model;
use crate::report::model::{Frame, NativeFrame, Owner, PythonFrame, Role, ValueState, Variable};
use crate::source::streams::{NativeStep, PythonStep, SymbolFrame};
use crate::stack::{self, Confidence, MergedFrame, roles};
use crate::triage::is_libc;

/// CO_COROUTINE (Include/cpython/code.h).
const CO_COROUTINE: u32 = 0x80;
/// How many objects the constants of one frame's bytecode may cost.
const BYTECODE_OBJECTS: u32 = 200;

/// By program counter and frame address: the variables of the functions there, inlined ones first.
pub type NativeLocals = HashMap<(Addr, Addr), Vec<Vec<Variable>>>;

/// Builds frames; what several frames share is looked up once.
pub struct FrameBuilder<'a, 'm, 's, 't> {
    pub(super) walk: &'a Walk<'a, 'm>,
    sources: &'s mut SourceText<'t>,
    pub(super) limits: Limits,
    /// Of the thread that crashed.
    pub(super) native_locals: NativeLocals,
    /// Of how many more Python frames the bytecode is looked at.
    pub(super) bytecode_left: usize,
    /// By module index.
    images: HashMap<usize, Rc<ImageFacts>>,
}

/// What all frames in one image have in common: a stack overflow has 50,000 of them.
struct ImageFacts {
    frame: NativeFrame,
    bias: u64,
    is_runtime: bool,
    is_libc: bool,
    is_program: bool,
}

impl<'a, 'm, 's, 't> FrameBuilder<'a, 'm, 's, 't> {
    pub fn new(walk: &'a Walk<'a, 'm>, sources: &'s mut SourceText<'t>) -> Self {
        let limits = walk.options.limits.clone();
        FrameBuilder {
            walk,
            sources,
            limits,
            native_locals: NativeLocals::new(),
            bytecode_left: 0,
            images: HashMap::new(),
        }
    }

    /// The merged frames of a thread, and whether some could not be placed. The innermost
    /// `signal_frames` native frames belong to the delivery of a signal.
    pub fn frames(&mut self, stack: &ThreadStack, signal_frames: usize) -> (Vec<Frame>, bool) {
        let merged = stack::merge(&stack.native, &stack.python, |index| self.is_eval(&stack.native[index]));
        if merged.confidence == Confidence::Partial || merged.confidence == Confidence::Count {
            self.walk.notes.push(
                "stack",
                format!(
                    "thread {}: not all Python frames could be tied to native frames",
                    stack.tid
                ),
                "their order among each other is right, their place among native frames may not be",
                "",
            );
        }
        let mut frames = Vec::new();
        for frame in &merged.frames {
            match *frame {
                MergedFrame::Python(index) => frames.push(Frame::Python(self.python_frame(&stack.python[index], None))),
                MergedFrame::Native(index) => {
                    let role = (index < signal_frames).then_some(Role::Signal);
                    self.native_frames(&stack.native[index], role, &mut frames);
                }
                MergedFrame::Eval(index) => {
                    self.native_frames(&stack.native[index], Some(Role::Eval), &mut frames);
                }
            }
        }
        (frames, merged.confidence == Confidence::Partial)
    }

    /// `threading` runs a thread's target below `Thread._bootstrap`, whose `self` is the Thread.
    pub fn thread_name(&mut self, steps: &[PythonStep]) -> (Option<String>, Option<bool>) {
        let outermost = steps.iter().rev().find(|step| !step.is_hidden);
        let find = || {
            let (python, step) = (self.walk.python?, outermost?);
            let code = python.code(step.code)?;
            let is_bootstrap = code.name == "_bootstrap" && code.filename.ends_with("threading.py");
            is_bootstrap.then(|| python.string_attributes(step, &code, &["_name", "_daemonic"]))
        };
        let Some(attributes) = find() else { return (None, None) };
        let name = attributes.first().cloned().flatten();
        let daemon = attributes.get(1).cloned().flatten().map(|text| text == "True");
        (name, daemon)
    }

    /// Whether a native frame is one of the eval loop, by its name.
    pub fn is_eval(&self, step: &NativeStep) -> bool {
        let symbols = self.walk.symbolizer.symbolize(step.lookup(), self.walk.notes).frames;
        symbols
            .iter()
            .any(|symbol| symbol.function.as_deref().is_some_and(roles::is_eval))
    }

    /// A Python frame at its current instruction; at `line`, where CPython itself says which that is.
    pub(super) fn python_frame(&mut self, step: &PythonStep, line: Option<u32>) -> PythonFrame {
        let Some((python, code)) = self
            .walk
            .python
            .and_then(|python| Some((python, python.code(step.code)?)))
        else {
            return PythonFrame {
                function: Some("<unreadable>".to_string()),
                ..PythonFrame::default()
            };
        };
        let mut position = code.position(python, step.lasti).unwrap_or_default();
        if let Some(line) = line.filter(|line| *line != position.line) {
            position = Position {
                line,
                ..Position::default()
            };
        }
        let line = (position.line > 0).then_some(position.line);
        let end_line = line.and(position.end_line);
        let source = match line {
            Some(line) => self.sources.around(&code.filename, line, end_line.unwrap_or(line)),
            None => Vec::new(),
        };
        let mut column = |line: Option<u32>, byte: Option<u32>| {
            let text = self.sources.line(&code.filename, line?)?;
            character_column(&text, byte?)
        };
        let (first_column, end_column) = (column(line, position.column), column(end_line, position.end_column));
        let (instrumented, bytecode) = self.bytecode(python, step, &code);
        PythonFrame {
            function: Some(code.name.clone()),
            qualname: code.qualname.clone(),
            module: None,
            file: Some(code.filename.clone()),
            line,
            column: first_column,
            end_line,
            end_column,
            first_line: Some(code.first_line),
            instruction: Some(step.lasti),
            entry: step.is_entry,
            owner: Some(owner(step, &code)),
            interpreter: (self.walk.interpreters.len() > 1).then_some(step.interpreter),
            instrumented,
            bytecode,
            locals: self.locals(step, &code),
            source,
        }
    }

    /// The names of instrumented instructions, and the instructions around the current one. Read in any case, so that a
    /// dump has it.
    fn bytecode(
        &mut self,
        python: &Python<'_>,
        step: &PythonStep,
        code: &Rc<Code>,
    ) -> (Vec<String>, Vec<model::Bytecode>) {
        if self.bytecode_left == 0 {
            return (Vec::new(), Vec::new());
        }
        self.bytecode_left -= 1;
        let instructions = python.instructions(code);
        // Constants are values like others.
        if self.walk.options.no_locals {
            return (instructions.instrumented(), Vec::new());
        }
        let mut limits = self.walk.options.limits.clone();
        limits.budget = BYTECODE_OBJECTS;
        let found = python.bytecode(step, code, &instructions, &mut limits);
        let shown = found.into_iter().filter(|_| self.walk.options.bytecode);
        let instruction = |found: Bytecode| model::Bytecode {
            offset: found.offset,
            opcode: found.name,
            argument: found.argument,
            meaning: found.meaning,
            current: found.is_current,
        };
        (instructions.instrumented(), shown.map(instruction).collect())
    }

    fn locals(&mut self, step: &PythonStep, code: &Rc<Code>) -> Vec<Variable> {
        match self.walk.python {
            Some(python) if !self.walk.options.no_locals => python
                .locals(step, code, &mut self.limits)
                .into_iter()
                .map(variable)
                .collect(),
            _ => Vec::new(),
        }
    }

    /// One native frame, and before it those of the functions inlined there.
    fn native_frames(&mut self, step: &NativeStep, role: Option<Role>, frames: &mut Vec<Frame>) {
        let symbols = self.walk.symbolizer.symbolize(step.lookup(), self.walk.notes).frames;
        let image = self.image(step);
        let is_runtime = image.as_ref().is_some_and(|image| image.is_runtime);
        // What starts and carries a program is plumbing only where Python is what it runs.
        let is_libc = image.as_ref().is_some_and(|image| image.is_libc || image.is_program);
        let is_carrier = is_runtime || (self.walk.python.is_some() && is_libc);
        let base = || match &image {
            Some(image) => NativeFrame {
                module_offset: Some(model::Address(step.pc.0.wrapping_sub(image.bias))),
                ..image.frame.clone()
            },
            None => NativeFrame::default(),
        };
        let unnamed = [SymbolFrame::default()];
        let symbols = if symbols.is_empty() { &unnamed[..] } else { &symbols[..] };
        // As many functions as symbols, unless they come from different files.
        let mut locals = self.native_locals.remove(&(step.pc, step.cfa)).unwrap_or_default();
        let skipped = symbols.len().saturating_sub(locals.len());
        for (index, symbol) in symbols.iter().enumerate() {
            let own = index.checked_sub(skipped).and_then(|index| locals.get_mut(index));
            let function = symbol.function.as_deref();
            let is_plumbing = match function {
                Some(function) => is_carrier && roles::is_plumbing(function),
                // A stripped interpreter names its exported functions only; what crashed stays visible.
                None => is_runtime && !step.is_exact,
            };
            frames.push(Frame::Native(NativeFrame {
                function: symbol.function.clone(),
                file: symbol.file.clone(),
                line: symbol.line,
                column: symbol.column,
                address: Some(step.pc.into()),
                trust: Some(step.trust.into()),
                inlined: symbol.inlined,
                role: role.clone().or_else(|| {
                    if function.is_some_and(|name| is_runtime && roles::is_eval(name)) {
                        Some(Role::Eval)
                    } else if step.is_signal_trampoline {
                        Some(Role::Signal)
                    } else {
                        (is_plumbing && !step.is_exact).then_some(Role::Interpreter)
                    }
                }),
                locals: own.map(std::mem::take).unwrap_or_default(),
                ..base()
            }));
        }
    }

    /// Whether the variables of a frame may be of interest: not those of what carries Python's calls, nor of the C
    /// library; of the interpreter only where `of_runtime`.
    pub(super) fn has_variables(&mut self, step: &NativeStep, of_runtime: bool) -> bool {
        let image = self.image(step);
        let is_wanted = image.is_some_and(|image| !image.is_libc && (of_runtime || !image.is_runtime));
        let mut frames = Vec::new();
        self.native_frames(step, None, &mut frames);
        is_wanted
            && frames
                .iter()
                .any(|frame| matches!(frame, Frame::Native(NativeFrame { role: None, .. })))
    }

    fn image(&mut self, step: &NativeStep) -> Option<Rc<ImageFacts>> {
        let modules = self.walk.target.modules();
        let index = modules.index_of(step.lookup())?;
        if let Some(known) = self.images.get(&index) {
            return Some(known.clone());
        }
        let module = modules.iter().nth(index)?;
        let start = module.range.start;
        let python = self.walk.python;
        let facts = Rc::new(ImageFacts {
            frame: NativeFrame {
                module: Some(module.path.clone()),
                build_id: module.build_id.as_ref().map(ToString::to_string),
                extension: is_extension(module),
                ..NativeFrame::default()
            },
            // Without its header: as if linked at 0, which shared objects are.
            bias: MemoryElf::read(self.walk.target.memory(), start).map_or(start.0, |elf| elf.bias()),
            is_runtime: python.is_some_and(|python| python.layout().image == start),
            is_libc: is_libc(module.name()),
            is_program: !module.name().contains(".so"),
        });
        self.images.insert(index, facts.clone());
        Some(facts)
    }
}

/// CPython counts columns in UTF-8 bytes from 0, the report in characters from 1. Without the line's text, with that
/// of another file or in another encoding, nobody can tell how many characters the bytes are.
fn character_column(text: &str, byte: u32) -> Option<u32> {
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return None;
    }
    let before = text.as_bytes().get(..byte as usize)?;
    Some(before.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u32 + 1)
}

fn owner(step: &PythonStep, code: &Code) -> Owner {
    match (step.is_generator, code.flags & CO_COROUTINE != 0) {
        (true, true) => Owner::Coroutine,
        (true, false) => Owner::Generator,
        (false, _) => Owner::Thread,
    }
}

fn variable(local: Local) -> Variable {
    let scope = Some(match local.scope {
        Scope::Argument => model::Scope::Argument,
        Scope::Local => model::Scope::Local,
        Scope::Cell => model::Scope::Cell,
        Scope::Free => model::Scope::Free,
    });
    let empty = |state| Variable {
        name: local.name.clone(),
        scope: scope.clone(),
        state,
        ..Variable::default()
    };
    match local.state {
        LocalState::Set(value) => Variable {
            scope,
            ..value_variable(local.name, value)
        },
        LocalState::Folded(text) => Variable {
            value: Some(text),
            ..empty(ValueState::Folded)
        },
        LocalState::Unset => empty(ValueState::Unset),
        LocalState::Unreadable => empty(ValueState::Unreadable),
    }
}

pub(super) fn value_variable(name: String, value: Value) -> Variable {
    Variable {
        name,
        scope: None,
        type_name: value.type_name,
        value: Some(value.text),
        // What is no object of its own has none.
        address: Some(value.address.into()).filter(|_| !value.address.is_null()),
        length: value.length,
        state: match (value.is_redacted, value.is_readable) {
            (true, _) => ValueState::Redacted,
            (false, true) => ValueState::Ok,
            (false, false) => ValueState::Unreadable,
        },
        children: value
            .parts
            .into_iter()
            .map(|(name, value)| value_variable(name, value))
            .collect(),
    }
}
