//! The header of a sample: what a report of its crash must say (samples/README.md).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use coldframe::layout::PythonVersion;

use super::glob;

/// The directives of one sample that apply to one version of Python.
#[derive(Debug, Default)]
pub struct Header {
    pub path: PathBuf,
    pub builds: Vec<String>,
    /// All Python frames of the crashed thread, innermost first.
    pub frames: Vec<Frame>,
    pub natives: Vec<Native>,
    /// A thread's name and a frame of it.
    pub others: Vec<(String, Frame)>,
    /// Function and qualified name.
    pub qualnames: Vec<(String, String)>,
    pub variables: Vec<Variable>,
    /// Of native frames.
    pub native_variables: Vec<Variable>,
    /// Thread and function.
    pub trace: Vec<(String, String)>,
    pub profile: Vec<(String, String)>,
    pub tools: Vec<String>,
    /// Functions of the innermost frames.
    pub instrumented: Vec<String>,
    /// Thread and what it is doing.
    pub states: Vec<(String, String)>,
    /// `THREAD KIND CALL`.
    pub works: Vec<String>,
    /// Id and confidence.
    pub findings: Vec<(String, String)>,
    /// Parts of variables, with `NAME.FIELD` as their name.
    pub parts: Vec<Variable>,
    /// Id and title of a finding.
    pub titles: Vec<(String, String)>,
    /// Function and variable.
    pub unset: Vec<(String, String)>,
    single: BTreeMap<String, String>,
}

/// A Python frame.
#[derive(Clone, Debug)]
pub struct Frame {
    pub function: String,
    /// The end of the path.
    pub file: String,
    /// Known for lines of the sample itself.
    pub line: Option<u32>,
    /// Known where there are several.
    pub interpreter: Option<i64>,
}

/// A native frame.
#[derive(Debug)]
pub struct Native {
    pub name: String,
    pub module: String,
    pub count: Count,
}

/// How often a native frame must follow itself.
#[derive(Debug, PartialEq)]
pub enum Count {
    Any,
    Exactly(usize),
    MoreThan(usize),
}

/// A variable of the innermost frame of a function.
#[derive(Debug)]
pub struct Variable {
    pub scope: String,
    pub function: String,
    pub name: String,
    pub value: Value,
}

/// What a variable's value must be.
#[derive(Debug)]
pub enum Value {
    Exactly(String),
    Glob(String),
}

const SINGLE: [&str; 17] = [
    "builds",
    "access",
    "command",
    "signal",
    "code",
    "address",
    "pc",
    "exception",
    "raised",
    "evaluator",
    "process",
    "ends",
    "thread",
    "stderr",
    "stack",
    "python",
    "values",
];

impl Header {
    pub fn read(path: &Path, version: PythonVersion) -> Header {
        let text = std::fs::read_to_string(path).expect("the sample can be read");
        let mut header = Header {
            path: path.to_path_buf(),
            ..Header::default()
        };
        let markers = markers(&text);
        for (number, line) in text.lines().enumerate() {
            let Some(directive) = line.strip_prefix("#: ") else {
                break;
            };
            header
                .add(directive, version, &markers)
                .unwrap_or_else(|| panic!("{}:{}: not a directive: {line}", path.display(), number + 1));
        }
        for key in ["signal", "ends", "thread"] {
            assert!(header.get(key).is_some(), "{}: no `{key}`", path.display());
        }
        header
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.single.get(key).map(String::as_str)
    }

    /// Whether the sample is for this version.
    pub fn applies(&self, version: PythonVersion) -> bool {
        self.get("python")
            .is_none_or(|condition| matches(condition, version).expect("a condition"))
    }

    fn add(&mut self, directive: &str, version: PythonVersion, markers: &BTreeMap<String, u32>) -> Option<()> {
        let (key, value) = directive.split_once(": ")?;
        let (key, condition) = match key.strip_suffix(']').and_then(|key| key.split_once('[')) {
            Some((key, condition)) => (key, Some(condition)),
            None => (key, None),
        };
        if let Some(condition) = condition
            && !matches(condition, version)?
        {
            return Some(());
        }
        match key {
            _ if SINGLE.contains(&key) => {
                self.single.insert(key.to_string(), value.to_string());
            }
            "build" => self.builds.push(value.to_string()),
            "frame" => {
                let (frame, count) = self.frame(value, markers)?;
                self.frames.extend(std::iter::repeat_n(frame, count));
            }
            "native" => self.natives.push(native(value)?),
            "other" => {
                let (thread, frame) = value.split_once(' ')?;
                let frame = self.frame(frame, markers)?.0;
                self.others.push((thread.to_string(), frame));
            }
            "qualname" => self.qualnames.push(pair(value)?),
            "unset" => self.unset.push(pair(value)?),
            "work" => self.works.push(value.to_string()),
            "state" => self.states.push(pair(value)?),
            "finding" => self.findings.push(pair(value)?),
            "part" => self.parts.push(variable(key, value)?),
            "title" => self.titles.push(pair(value)?),
            "trace" => self.trace.push(pair(value)?),
            "profile" => self.profile.push(pair(value)?),
            "instrumented" => self.instrumented.push(value.to_string()),
            "tool" => self.tools.push(value.to_string()),
            "native-argument" | "native-local" => self.native_variables.push(variable(key, value)?),
            "argument" | "local" | "cell" | "free" => self.variables.push(variable(key, value)?),
            _ => return None,
        }
        Some(())
    }

    /// How many frames the crashed thread has in other interpreters than the one that it crashed in.
    pub fn in_other_interpreters(&self) -> usize {
        let crashed = self.frames.first().and_then(|frame| frame.interpreter);
        self.frames.iter().filter(|frame| frame.interpreter != crashed).count()
    }

    /// `FUNCTION [FILE] [@MARK] [%INTERPRETER] [*COUNT]`
    fn frame(&self, text: &str, markers: &BTreeMap<String, u32>) -> Option<(Frame, usize)> {
        let mut words = text.split(' ');
        let mut frame = Frame {
            function: words.next()?.to_string(),
            file: self.path.file_name()?.to_str()?.to_string(),
            line: None,
            interpreter: None,
        };
        let mut count = 1;
        while let Some(word) = words.next() {
            if let Some(mark) = word.strip_prefix('@') {
                frame.line = Some(*markers.get(mark)?);
            } else if let Some(number) = word.strip_prefix('*') {
                count = number.parse().ok()?;
            } else if let Some(number) = word.strip_prefix('%') {
                frame.interpreter = Some(number.parse().ok()?);
            } else {
                frame.file = word.to_string();
                // `<frozen importlib._bootstrap>`
                while frame.file.starts_with('<') && !frame.file.ends_with('>') {
                    frame.file = format!("{} {}", frame.file, words.next()?);
                }
            }
        }
        Some((frame, count))
    }
}

impl Frame {
    pub fn matches(&self, function: &str, file: &str, line: Option<u32>) -> bool {
        let is_file = file == self.file || file.ends_with(&format!("/{}", self.file));
        function == self.function && is_file && (self.line.is_none() || line == self.line)
    }
}

impl std::fmt::Display for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = self.line.map_or("?".to_string(), |line| line.to_string());
        write!(f, "{} {}:{line}", self.function, self.file)
    }
}

impl Value {
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Value::Exactly(value) => text == value,
            Value::Glob(pattern) => glob::matches(pattern, text),
        }
    }
}

/// `GLOB [in MODULE-GLOB] [*COUNT | *>COUNT]`
fn native(text: &str) -> Option<Native> {
    let (text, count) = match text.rsplit_once(" *") {
        Some((rest, count)) if count.starts_with(|c: char| c == '>' || c.is_ascii_digit()) => {
            match count.strip_prefix('>') {
                Some(count) => (rest, Count::MoreThan(count.parse().ok()?)),
                None => (rest, Count::Exactly(count.parse().ok()?)),
            }
        }
        _ => (text, Count::Any),
    };
    let (name, module) = text.split_once(" in ").unwrap_or((text, "*"));
    Some(Native {
        name: name.to_string(),
        module: module.to_string(),
        count,
    })
}

fn pair(text: &str) -> Option<(String, String)> {
    let (left, right) = text.split_once(' ')?;
    Some((left.to_string(), right.to_string()))
}

/// `FUNCTION NAME = REPR` or `FUNCTION NAME ~ GLOB`
fn variable(scope: &str, text: &str) -> Option<Variable> {
    let mut words = text.splitn(4, ' ');
    let (function, name, kind) = (words.next()?, words.next()?, words.next()?);
    let value = words.next()?.to_string();
    Some(Variable {
        scope: scope.to_string(),
        function: function.to_string(),
        name: name.to_string(),
        value: match kind {
            "=" => Value::Exactly(value),
            "~" => Value::Glob(value),
            _ => return None,
        },
    })
}

/// Line numbers by marker: comments `#@name` that end a line.
fn markers(text: &str) -> BTreeMap<String, u32> {
    let mut markers = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        for word in line.split_whitespace().rev().map_while(|word| word.strip_prefix("#@")) {
            assert!(
                markers.insert(word.to_string(), index as u32 + 1).is_none(),
                "#@{word} twice"
            );
        }
    }
    markers
}

/// Whether a version satisfies `>=3.9,<3.12`.
fn matches(condition: &str, version: PythonVersion) -> Option<bool> {
    let mut all = true;
    for part in condition.split(',') {
        let (comparison, minor) = part.trim().split_once("3.")?;
        let minor: u8 = minor.parse().ok()?;
        all &= match comparison {
            "<" => version.minor() < minor,
            "<=" => version.minor() <= minor,
            ">" => version.minor() > minor,
            ">=" => version.minor() >= minor,
            "==" => version.minor() == minor,
            _ => return None,
        };
    }
    Some(all)
}

#[test]
fn conditions() {
    let version = PythonVersion::release(3, 11, 2);
    assert_eq!(matches(">=3.9,<3.12", version), Some(true));
    assert_eq!(matches("<3.11", version), Some(false));
    assert_eq!(matches("3.11", version), None);
}

#[test]
fn native_frames() {
    let native = |text| super::header::native(text).unwrap();
    let frame = native("f* in m.so *>45000");
    assert_eq!((frame.name.as_str(), frame.module.as_str()), ("f*", "m.so"));
    assert_eq!(frame.count, Count::MoreThan(45000));
    assert_eq!(native("* in _ctypes.*").count, Count::Any);
    assert_eq!(native("f *3").count, Count::Exactly(3));
}
