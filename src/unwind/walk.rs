//! The walk from the innermost frame outwards.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use gimli::UnwindContext;

use crate::addr::Addr;
use crate::notes::Notes;
use crate::source::streams::{NativeStep, Trust};
use crate::source::{Memory, MemoryExt, Modules, Registers};

use super::code;
use super::fde::Fde;
use super::rule::Rule;
use super::signal_frame;
use super::tables::ModuleTables;

/// The most rules and entries that are kept: hostile tables must not fill the memory.
const MAX_CACHED: usize = 20_000;
/// How many scans of full length a walk has the time for.
const SCANS: u64 = 16;
/// Where the return address is 0, this many stack words may still show that the stack goes on.
const SCAN_AT_ZERO: u64 = 64;

/// Bounds of a walk.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most frames.
    pub frames: usize,
    /// The most stack words that are looked through at one place where nothing else leads on; a walk
    /// looks through 16 times as many in all.
    pub scan_words: u64,
}

impl Default for Limits {
    /// Deeper than any stack of the usual size: 8 MiB hold 175,000 frames of 48 bytes.
    fn default() -> Limits {
        Limits {
            frames: 200_000,
            scan_words: 1024,
        }
    }
}

/// Unwinds the threads of one process; what it has read of the unwind tables serves all of them.
pub struct Unwinder<'a> {
    pub(super) memory: &'a dyn Memory,
    modules: &'a Modules,
    /// By module index; read at first use.
    tables: HashMap<usize, Rc<ModuleTables>>,
    /// By the first address of the function.
    entries: BTreeMap<Addr, Rc<Fde>>,
    /// By pc and whether it is exact. `None`: there is no entry.
    rules: HashMap<(Addr, bool), Option<Rc<Rule>>>,
    context: UnwindContext<usize>,
    /// Stack words that the current walk may still scan, all its scans together: of a stack without any
    /// entry, each frame would otherwise cost a scan.
    pub(super) scan_left: u64,
}

/// A frame before it is known where its caller is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub registers: Registers,
    pub trust: Trust,
    /// See [`NativeStep::is_exact`].
    pub is_exact: bool,
}

/// Why a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The unwind entry says that there is no caller, or the return address is 0.
    Outermost,
    Lost,
    Cycle,
    TooDeep,
}

/// What follows a frame.
struct Next {
    cfa: Addr,
    is_signal_trampoline: bool,
    caller: Result<Frame, End>,
}

/// Unwinds one thread. For several, [`Unwinder`] reads the tables once.
pub fn unwind(
    memory: &dyn Memory,
    modules: &Modules,
    registers: &Registers,
    notes: &Notes,
    limits: &Limits,
) -> Vec<NativeStep> {
    Unwinder::new(memory, modules).unwind(registers, notes, limits)
}

impl<'a> Unwinder<'a> {
    /// For the process with this memory and these images.
    pub fn new(memory: &'a dyn Memory, modules: &'a Modules) -> Unwinder<'a> {
        Unwinder {
            memory,
            modules,
            tables: HashMap::new(),
            entries: BTreeMap::new(),
            rules: HashMap::new(),
            context: UnwindContext::new(),
            scan_left: 0,
        }
    }

    /// The frames of a thread with these registers, innermost first; at least the one they stand in.
    ///
    /// Ends at the outermost frame, with a note at the place where nothing leads on, or at the limit of frames.
    pub fn unwind(&mut self, registers: &Registers, notes: &Notes, limits: &Limits) -> Vec<NativeStep> {
        self.walk(registers, notes, limits, |_| {})
    }

    /// The same, with a look at the registers of each frame.
    fn walk(
        &mut self,
        registers: &Registers,
        notes: &Notes,
        limits: &Limits,
        mut see: impl FnMut(&Registers),
    ) -> Vec<NativeStep> {
        self.scan_left = limits.scan_words.saturating_mul(SCANS);
        let mut steps = Vec::new();
        // Between two trampolines the stack pointer only grows, so every cycle crosses one twice.
        let mut crossed = HashSet::new();
        let mut is_scanned = false;
        let mut frame = Frame {
            registers: *registers,
            trust: Trust::Context,
            is_exact: true,
        };
        loop {
            let mut next = self.step(&frame, limits);
            see(&frame.registers);
            steps.push(NativeStep {
                pc: frame.registers.pc(),
                sp: frame.registers.sp(),
                cfa: next.cfa,
                trust: frame.trust,
                is_exact: frame.is_exact,
                is_signal_trampoline: next.is_signal_trampoline,
            });
            if next.is_signal_trampoline
                && let Ok(caller) = next.caller
                && !crossed.insert((caller.registers.pc(), caller.registers.sp()))
            {
                next.caller = Err(End::Cycle);
            }
            if next.caller.is_ok() && steps.len() >= limits.frames {
                next.caller = Err(End::TooDeep);
            }
            match next.caller {
                Ok(caller) => {
                    if caller.trust == Trust::Scan && !is_scanned {
                        self.note_scan(&frame, notes);
                        is_scanned = true;
                    }
                    frame = caller;
                }
                Err(end) => {
                    self.note_end(end, &frame, notes);
                    return steps;
                }
            }
        }
    }

    /// The innermost frames again, each with the registers it has, and which of those are known: a bit for each DWARF
    /// number. A call keeps rbx, rbp, rsp and r12 to r15 (System V psABI AMD64, 3.2.1); a frame found by guesses
    /// has its program counter and stack pointer only.
    pub fn frames(&mut self, registers: &Registers, count: usize) -> Vec<(NativeStep, Registers, u32)> {
        const ALL: u32 = (1 << Registers::COUNT) - 1;
        const PLACE: u32 = 1 << Registers::RSP | 1 << Registers::RIP;
        const KEPT: u32 = PLACE | 1 << 3 | 1 << Registers::RBP | 0xf << 12;
        let limits = Limits {
            frames: count,
            ..Limits::default()
        };
        let mut all = Vec::new();
        let walked = self.walk(registers, &Notes::new(), &limits, |registers| all.push(*registers));
        let mut known = ALL;
        let mut is_interrupted = true;
        let mut found = Vec::new();
        for (step, mut registers) in walked.into_iter().zip(all) {
            // A call need not keep any of them.
            registers.vectors = registers.vectors.filter(|_| found.is_empty());
            known = match step.trust {
                _ if is_interrupted => ALL,
                Trust::Cfi => known & KEPT,
                // Nothing ran at the place that was called.
                Trust::ReturnAddress => known,
                _ => PLACE,
            };
            is_interrupted = step.is_signal_trampoline;
            found.push((step, registers, known));
        }
        found
    }

    /// Whether `addr` lies in code of an image.
    pub fn is_executable(&mut self, addr: Addr) -> bool {
        match self.modules.index_of(addr) {
            Some(index) => self.tables(index).is_executable(addr),
            None => false,
        }
    }

    fn step(&mut self, frame: &Frame, limits: &Limits) -> Next {
        let sp = frame.registers.sp();
        if let Some(rule) = self.rule(frame)
            && let Some(next) = self.step_by_rule(frame, &rule, limits)
        {
            return next;
        }
        if self.is_sigreturn(frame)
            && let Some(registers) = signal_frame::saved_registers(self.memory, sp)
        {
            return Next::interrupted(registers.sp(), registers, frame);
        }
        match self.guess_caller(frame, limits.scan_words) {
            Some(caller) => Next {
                cfa: caller.registers.sp(),
                is_signal_trampoline: false,
                caller: Ok(caller),
            },
            None => Next {
                cfa: sp,
                is_signal_trampoline: false,
                caller: Err(End::Lost),
            },
        }
    }

    /// `None` where what the rule leads to cannot be true.
    fn step_by_rule(&mut self, frame: &Frame, rule: &Rule, limits: &Limits) -> Option<Next> {
        let stepped = rule.step(self.memory, &frame.registers)?;
        let cfa = stepped.cfa;
        let end = |end| Next {
            cfa,
            is_signal_trampoline: rule.is_signal_trampoline,
            caller: Err(end),
        };
        let Some(registers) = stepped.registers else {
            return Some(end(End::Outermost));
        };
        if rule.is_signal_trampoline {
            return Some(Next::interrupted(cfa, registers, frame));
        }
        // A return address takes its place on the stack, so the stack of the caller begins further up.
        if cfa <= frame.registers.sp() || cfa.0 % 8 != 0 {
            return None;
        }
        let caller = Frame {
            registers,
            trust: Trust::Cfi,
            is_exact: false,
        };
        if registers.pc().is_null() {
            // Some start routines leave 0 as the return address of the outermost frame. So does a
            // function that overwrote its frame with zeros; then the frames above are still there.
            return Some(
                match self.caller_by_scan(&caller, SCAN_AT_ZERO.min(limits.scan_words), true) {
                    Some(caller) => Next {
                        caller: Ok(caller),
                        ..end(End::Lost)
                    },
                    None => end(End::Outermost),
                },
            );
        }
        // A guess must not be followed by nonsense; what certain frames lead to is shown whatever it
        // is: compiled at run time, or the bytes that a stack was overwritten with.
        let is_guess = matches!(frame.trust, Trust::Scan | Trust::FramePointer);
        if is_guess && !self.is_executable(registers.pc().sub(1)) {
            return None;
        }
        Some(Next {
            caller: Ok(caller),
            ..end(End::Lost)
        })
    }

    /// The rule for a frame, from the unwind entry of the function that it is in.
    pub(super) fn rule(&mut self, frame: &Frame) -> Option<Rc<Rule>> {
        let key = (frame.registers.pc(), frame.is_exact);
        if let Some(known) = self.rules.get(&key) {
            return known.clone();
        }
        let (pc, is_exact) = key;
        let rule = if is_exact {
            self.rule_at(pc)
        } else {
            // A return address may lie past the end of a function whose last instruction is a call.
            // Only that of a trampoline is its first instruction, and was never called from before it.
            match self.rule_at(pc.sub(1)) {
                Some(rule) if rule.is_signal_trampoline => Some(rule),
                found => {
                    let next = self.entry(pc).filter(|entry| entry.range.start == pc);
                    let trampoline = next.filter(|entry| entry.is_signal_trampoline);
                    trampoline.and_then(|_| self.rule_at(pc)).or(found)
                }
            }
        };
        if self.rules.len() >= MAX_CACHED {
            self.rules.clear();
        }
        self.rules.insert(key, rule.clone());
        rule
    }

    fn rule_at(&mut self, pc: Addr) -> Option<Rc<Rule>> {
        let entry = self.entry(pc)?;
        entry.rule(&mut self.context, pc).ok().map(Rc::new)
    }

    /// The entry of the function that holds `pc`.
    fn entry(&mut self, pc: Addr) -> Option<Rc<Fde>> {
        if let Some((_, entry)) = self.entries.range(..=pc).next_back()
            && entry.range.contains(pc)
        {
            return Some(entry.clone());
        }
        let index = self.modules.index_of(pc)?;
        let at = self.tables(index).find(self.memory, pc).ok()??;
        let entry = Rc::new(Fde::read(self.memory, at).ok()?);
        if !entry.range.contains(pc) {
            return None;
        }
        if self.entries.len() >= MAX_CACHED {
            self.entries.clear();
        }
        self.entries.insert(entry.range.start, entry.clone());
        Some(entry)
    }

    fn tables(&mut self, index: usize) -> Rc<ModuleTables> {
        let (memory, modules) = (self.memory, self.modules);
        let tables = self.tables.entry(index).or_insert_with(|| {
            // An index comes from `Modules::index_of`; past the end it would be of an empty image.
            let module = modules.iter().nth(index);
            Rc::new(module.map_or_else(ModuleTables::none, |module| ModuleTables::read(memory, module)))
        });
        tables.clone()
    }

    /// Trampolines of libcs other than glibc have no unwind entry.
    fn is_sigreturn(&mut self, frame: &Frame) -> bool {
        let pc = frame.registers.pc();
        if !self.is_executable(pc) {
            return false;
        }
        code::SIGRETURN.iter().any(|bytes| {
            let read = self.memory.read_vec(pc, bytes.len());
            read.is_ok_and(|read| read == *bytes)
        })
    }

    fn place(&self, pc: Addr) -> String {
        let index = self.modules.index_of(pc);
        match index.and_then(|index| self.modules.iter().nth(index)) {
            Some(module) => {
                let offset = pc.0.wrapping_sub(module.range.start.0);
                format!("{pc} ({}+{offset:#x})", module.name())
            }
            None => format!("{pc}, which is in no image"),
        }
    }

    fn note_scan(&self, frame: &Frame, notes: &Notes) {
        notes.push(
            "unwind",
            format!(
                "nothing leads from {} to its caller: the next frame was found by looking through the stack",
                self.place(frame.registers.pc())
            ),
            "native frames between the two may be missing; the stack may have been overwritten there",
            "",
        );
    }

    fn note_end(&mut self, end: End, frame: &Frame, notes: &Notes) {
        let place = self.place(frame.registers.pc());
        let tables = match self.modules.index_of(frame.registers.pc()) {
            Some(index) => self.tables(index).error(),
            None => None,
        };
        let why = match end {
            // The caller sees that there are as many frames as it allowed.
            End::Outermost | End::TooDeep => return,
            End::Lost => match tables {
                Some(error) => format!("the image cannot be unwound: {error}"),
                None => "neither an unwind entry, a frame pointer nor a stack word leads to a caller".to_string(),
            },
            End::Cycle => "a signal frame leads back to one that was seen before".to_string(),
        };
        notes.push(
            "unwind",
            format!("a native stack ends at {place}: {why}"),
            "the frames further out are missing",
            "",
        );
    }
}

impl Frame {
    /// A caller with the same registers but for these two.
    pub(super) fn returning_to(&self, pc: Addr, sp: Addr, trust: Trust) -> Frame {
        let mut registers = self.registers;
        registers.dwarf[Registers::RIP] = pc.0;
        registers.dwarf[Registers::RSP] = sp.0;
        Frame {
            registers,
            trust,
            is_exact: false,
        }
    }
}

impl Next {
    fn interrupted(cfa: Addr, mut registers: Registers, frame: &Frame) -> Next {
        registers.fs_base = frame.registers.fs_base;
        Next {
            cfa,
            is_signal_trampoline: true,
            caller: Ok(Frame {
                registers,
                trust: Trust::Context,
                is_exact: true,
            }),
        }
    }
}
