//! What of a report is on its page, in the order of the page.

use askama::Template;
use askama::filters::HtmlSafe;

use super::room::Room;
use super::thread::{self, View as ThreadView};
use crate::report::library::Library;
use crate::report::model::{ExtensionModule, Finding, InputKind, Note, Report};
use crate::report::text::{Style, clip, extensions, findings, headline, instruction, notes, quoted, summary};

/// The most findings, notes, annotations, pieces of evidence and lines of an explanation.
const MOST: usize = 50;
/// The most extension modules.
const MOST_MODULES: usize = 500;
/// What stacks, source lines and variables may take together, in bytes.
const MOST_BYTES: usize = 1_500_000;
/// The most columns of a sentence.
const COLUMNS: usize = 1_000;

/// A report, as the body of a page or a part of one.
#[derive(Template)]
#[template(path = "crash.html")]
pub struct Crash {
    /// The greppable line.
    pub summary: String,
    verdict: String,
    message: String,
    /// The instruction that faulted.
    instruction: String,
    program: String,
    facts: Vec<String>,
    annotations: Vec<(String, String)>,
    findings: Vec<FindingView>,
    main: Option<ThreadView>,
    /// General registers at the fault.
    registers: Vec<(String, String)>,
    others: Vec<ThreadView>,
    more_others: usize,
    tasks: Vec<ThreadView>,
    more_tasks: usize,
    interpreters: Vec<(i64, Vec<String>)>,
    modules: Vec<ModuleView>,
    more_modules: usize,
    signature: Option<SignatureView>,
    notes: Vec<NoteView>,
    /// What was analysed, where that is a file.
    file: String,
}

impl HtmlSafe for Crash {}

struct FindingView {
    confidence: String,
    title: String,
    evidence: Vec<String>,
    advice: String,
}

struct ModuleView {
    name: String,
    package: String,
    path: String,
}

struct SignatureView {
    key: String,
    title: String,
    explain: Vec<String>,
}

struct NoteView {
    area: String,
    what: String,
    effect: String,
    remedy: String,
}

impl Crash {
    /// The view of a report, on a page of its own.
    pub fn of(report: &Report) -> Crash {
        Crash::within(report, &mut Room::of(MOST_BYTES))
    }

    /// The view of a report on a page that has others.
    pub fn within(report: &Report, room: &mut Room) -> Crash {
        let library = Library::of(report);
        let main = thread::main(report, &library, room);
        let (others, more_others) = thread::others(report, &library, room);
        let (tasks, more_tasks) = thread::tasks(report, &library, room);
        let interpreters = report.python.iter().flat_map(|python| &python.interpreters);
        let modules = || report.python.iter().flat_map(|python| &python.extension_modules);
        let message = report.crash.as_ref().and_then(|crash| crash.message.as_deref());
        let instruction = report.crash.as_ref().and_then(|crash| crash.instruction.as_ref());
        let registers = report.crashed_thread().map_or(&[][..], |thread| &thread.registers);
        let path = report.input.path.as_deref();
        Crash {
            summary: summary::line(report),
            verdict: headline::verdict(report),
            instruction: instruction
                .map(|instruction| instruction::line(instruction, Style::plain()))
                .unwrap_or_default(),
            registers: registers
                .iter()
                .take(MOST)
                .map(|register| (clip(&register.name, 10), register.value.to_string()))
                .collect(),
            message: clip(message.unwrap_or_default().trim_end(), COLUMNS),
            program: clip(&headline::program(report), COLUMNS),
            facts: headline::facts(report),
            annotations: report
                .annotations
                .iter()
                .take(MOST)
                .map(|(key, value)| (clip(key, 100), clip(value, COLUMNS)))
                .collect(),
            findings: report.findings.iter().take(MOST).map(FindingView::of).collect(),
            main,
            others,
            more_others,
            tasks,
            more_tasks,
            interpreters: interpreters
                .map(|interpreter| (interpreter.id, notes::interpreter_facts(interpreter)))
                .filter(|(_, facts)| !facts.is_empty())
                .take(MOST)
                .collect(),
            modules: modules().take(MOST_MODULES).map(ModuleView::of).collect(),
            more_modules: modules().count().saturating_sub(MOST_MODULES),
            signature: report.signature.as_ref().map(|signature| SignatureView {
                key: clip(&signature.key, 100),
                title: clip(signature.title.as_deref().unwrap_or_default(), COLUMNS),
                explain: sentences(&signature.explain),
            }),
            notes: report.notes.iter().take(MOST).map(NoteView::of).collect(),
            file: path
                .filter(|_| report.input.kind != InputKind::Process)
                .map(|path| clip(&quoted(path), 4096))
                .unwrap_or_default(),
        }
    }
}

fn sentences(list: &[String]) -> Vec<String> {
    list.iter().take(MOST).map(|text| clip(text, COLUMNS)).collect()
}

impl FindingView {
    fn of(finding: &Finding) -> FindingView {
        FindingView {
            confidence: clip(findings::word(&finding.confidence), 20),
            title: clip(&finding.title, COLUMNS),
            evidence: sentences(&finding.evidence),
            advice: clip(finding.advice.as_deref().unwrap_or_default(), COLUMNS),
        }
    }
}

impl ModuleView {
    fn of(module: &ExtensionModule) -> ModuleView {
        ModuleView {
            name: clip(&module.name, 100),
            package: extensions::group(module),
            path: clip(module.path.as_deref().unwrap_or_default(), 300),
        }
    }
}

impl NoteView {
    fn of(note: &Note) -> NoteView {
        NoteView {
            area: clip(&note.area, 30),
            what: clip(&note.what, COLUMNS),
            effect: clip(&note.effect, COLUMNS),
            remedy: clip(&note.remedy, COLUMNS),
        }
    }
}
