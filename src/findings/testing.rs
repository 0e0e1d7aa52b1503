//! Scenes made by hand, for the tests of rules.

use super::{Conclusion, Scene, Unwound};
use crate::addr::{Addr, AddrRange};
use crate::report::Report;
use crate::report::model::{
    AccessKind, Frame, Instruction, MemoryAccess, NativeFrame, Python, PythonFrame, Register, Role, Thread,
};
use crate::source::fake::FakeTarget;
use crate::source::maps::parse_maps;
use crate::source::variables::RecordedVariables;
use crate::source::{Crash, Module, Modules, Registers};

/// A crash whose every part can be set.
#[derive(Default)]
pub struct Stage {
    pub report: Report,
    pub target: FakeTarget,
    pub registers: Registers,
    pub variables: Vec<RecordedVariables>,
    pub unwound: Unwound,
}

/// The interpreter's path in all stages.
const PYTHON: &str = "/usr/bin/python3.12";

impl Stage {
    /// A crash by this signal, with this `si_code` and address.
    pub fn new(signal: i32, code: i32, address: u64) -> Stage {
        let mut stage = Stage::default();
        stage.target.facts.crash = Some(Crash {
            tid: 7,
            signal,
            code,
            address: Addr(address),
            sender: None,
        });
        stage.report.threads = vec![Thread {
            tid: 7,
            crashed: true,
            ..Thread::default()
        }];
        stage.report.python = vec![Python {
            executable: Some(PYTHON.to_string()),
            ..Python::default()
        }];
        stage
    }

    /// Frames, innermost first: `function` in the interpreter, `function@/path` elsewhere, `!function` of a signal,
    /// `py:function@file` in Python.
    pub fn stack(mut self, frames: &[&str]) -> Stage {
        self.thread().frames = frames.iter().map(|text| frame(text)).collect();
        self
    }

    /// Where the innermost frame stands.
    pub fn at_pc(mut self, pc: u64) -> Stage {
        if let Some(Frame::Native(native)) = self.thread().frames.first_mut() {
            native.address = Some(Addr(pc).into());
        }
        self
    }

    pub fn maps(mut self, text: &str) -> Stage {
        self.target.facts.mappings = parse_maps(text);
        self
    }

    pub fn register(mut self, number: usize, value: u64) -> Stage {
        self.registers.dwarf[number] = value;
        self
    }

    /// The instruction and the access that explains the fault.
    pub fn access(mut self, text: &str, kind: AccessKind, address: u64) -> Stage {
        self.report.crash.get_or_insert_default().instruction = Some(Instruction {
            text: Some(text.to_string()),
            access: Some(MemoryAccess {
                kind,
                address: Some(Addr(address).into()),
                explains_fault: Some(true),
                ..MemoryAccess::default()
            }),
            ..Instruction::default()
        });
        self
    }

    /// A register that the instruction's address is made of.
    pub fn operand(mut self, name: &str, value: u64) -> Stage {
        let instruction = self.report.crash.as_mut().and_then(|crash| crash.instruction.as_mut());
        instruction.expect("an instruction").registers.push(Register {
            name: name.to_string(),
            value: Addr(value).into(),
        });
        self
    }

    /// Images of one page each.
    pub fn modules(mut self, paths: &[&str]) -> Stage {
        let module = |(index, path): (usize, &&str)| Module {
            range: AddrRange::new(Addr(0x10_0000 + 0x1000 * index as u64), 0x1000),
            path: path.to_string(),
            build_id: None,
        };
        self.target.facts.modules = Modules::new(paths.iter().enumerate().map(module).collect());
        self
    }

    pub fn bytes(mut self, at: u64, bytes: &[u8]) -> Stage {
        self.target.memory.put(Addr(at), bytes.to_vec());
        self
    }

    pub fn message(mut self, message: &str) -> Stage {
        self.report.crash.get_or_insert_default().message = Some(message.to_string());
        self
    }

    pub fn thread(&mut self) -> &mut Thread {
        &mut self.report.threads[0]
    }

    pub fn apply(&self, rule: fn(&Scene<'_>) -> Option<Conclusion>) -> Option<Conclusion> {
        rule(&self.scene())
    }

    pub fn scene(&self) -> Scene<'_> {
        Scene {
            report: &self.report,
            target: &self.target,
            crash: self.target.facts.crash.as_ref(),
            registers: Some(&self.registers),
            variables: &self.variables,
            unwound: &self.unwound,
            has_values: true,
        }
    }
}

fn frame(text: &str) -> Frame {
    let (name, file) = text.split_once('@').unwrap_or((text, PYTHON));
    match (name.strip_prefix("py:"), name.strip_prefix('!')) {
        (Some(name), _) => Frame::Python(PythonFrame {
            function: Some(name.to_string()),
            file: Some(file.to_string()),
            ..PythonFrame::default()
        }),
        (None, signal) => Frame::Native(NativeFrame {
            function: Some(signal.unwrap_or(name).to_string()),
            module: Some(file.to_string()),
            role: signal.map(|_| Role::Signal),
            extension: file.contains(".cpython-") || file.contains("site-packages"),
            ..NativeFrame::default()
        }),
    }
}
