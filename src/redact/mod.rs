//! What must not leave the machine: which names say that a value is secret, which texts look like secrets, and which
//! values were found to be.
//!
//! [`Redactor`] is asked by whoever shows a value. It knows names ([`names`]), patterns ([`patterns`]), and what it was
//! told: the addresses of secret objects, and the texts of secrets, which are found again in any other text
//! ([`known`]). [`source`] and [`command`] apply this to source lines and command lines.
//!
//! What is found late was perhaps shown before. So an analysis at capture is repeated until it found nothing new
//! ([`Redactor::next_pass`]); what it finds is decided in the first of these, what it shows in the last.
//!
//! Main types: [`Redactor`], [`Rules`].
//!
//! Invariant: nothing here reads memory or files; when a dump is read, no rule is applied, the addresses that it names
//! are all there is.

pub mod command;
pub mod known;
pub mod names;
pub mod patterns;
pub mod source;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use regex::Regex;

use crate::addr::Addr;
use known::{Known, Texts};

/// What stands in a text where a value was left out.
pub const REDACTED: &str = "<redacted>";
/// How often an analysis is repeated: a secret that is found in one pass leads to texts that hold it in the next.
const MAX_PASSES: u32 = 4;
/// The most objects that are redacted: beyond it, something in the process has gone wrong.
const MAX_OBJECTS: usize = 100_000;

/// Which names and texts are secret.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Beside the built-in ones: names and texts in which one of these is found.
    pub extra: Vec<Regex>,
    /// The arguments of the command line are secret, too.
    pub hides_arguments: bool,
}

/// Decides what is redacted, and remembers it.
#[derive(Debug, Default)]
pub struct Redactor {
    /// `None`: nothing is decided, only what [`Redactor::recorded`] was given is redacted.
    rules: Option<Rules>,
    state: RefCell<State>,
    is_late: Cell<bool>,
    passes: Cell<u32>,
    gave_up: Cell<bool>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeSet<Addr>,
    /// Redacted objects at which an output came by.
    met: HashSet<Addr>,
    texts: Texts,
    /// The texts as they were when the pass began.
    known: Known,
    /// Whether a name is secret.
    names: HashMap<String, bool>,
    /// The texts that this pass showed, by the object they are of.
    shown: HashMap<Addr, String>,
    shown_lines: HashSet<String>,
}

impl Redactor {
    /// Applies rules: for a process that is being captured.
    #[must_use]
    pub fn new(rules: Rules) -> Redactor {
        Redactor {
            rules: Some(rules),
            ..Redactor::default()
        }
    }

    /// Knows the objects that a dump names as redacted.
    #[must_use]
    pub fn recorded(objects: &BTreeSet<Addr>) -> Redactor {
        let redactor = Redactor::default();
        redactor.state.borrow_mut().objects.clone_from(objects);
        redactor
    }

    /// Whether rules are applied.
    pub fn is_active(&self) -> bool {
        self.rules.is_some()
    }

    /// Whether the object at this address is redacted.
    pub fn is_secret(&self, object: Addr) -> bool {
        let state = &mut *self.state.borrow_mut();
        let is_secret = !state.objects.is_empty() && state.objects.contains(&object);
        if is_secret && self.rules.is_some() {
            state.met.insert(object);
        }
        is_secret
    }

    /// Whether a variable, key or attribute of this name holds a secret.
    pub fn is_secret_name(&self, name: &str) -> bool {
        let Some(rules) = &self.rules else { return false };
        if let Some(&known) = self.state.borrow().names.get(name) {
            return known;
        }
        let is_secret = names::is_secret(name) || rules.extra.iter().any(|rule| rule.is_match(name));
        self.state.borrow_mut().names.insert(name.to_string(), is_secret);
        is_secret
    }

    /// Redacts the object at this address wherever it is met. Returns whether it was not redacted before.
    pub fn add_object(&self, object: Addr) -> bool {
        let state = &mut *self.state.borrow_mut();
        if state.objects.len() >= MAX_OBJECTS || !state.objects.insert(object) {
            return false;
        }
        if state.shown.contains_key(&object) {
            self.is_late.set(true);
        }
        true
    }

    /// Redacts a text: whatever holds it is redacted from the next pass on.
    pub fn add_text(&self, text: &str) {
        self.state.borrow_mut().texts.add(text);
    }

    /// The same for bytes, as far as they are text.
    pub fn add_bytes(&self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.add_text(text),
            Err(_) => self.state.borrow_mut().texts.add_binary(bytes),
        }
    }

    /// A text of the program's structure, such as a file or function name: it is in a dump in any case, so that no text
    /// it holds is searched for.
    pub fn add_structure(&self, text: &str) {
        if self.is_active() {
            self.state.borrow_mut().texts.add_structure(text);
        }
    }

    /// Where a text holds secrets: by the patterns, the extra rules, and the texts known when the pass began.
    pub fn secrets_in(&self, text: &str) -> Vec<Range<usize>> {
        self.search(text, patterns::find)
    }

    fn search(&self, text: &str, pattern: fn(&str) -> Vec<Range<usize>>) -> Vec<Range<usize>> {
        let Some(rules) = &self.rules else { return Vec::new() };
        let mut found = pattern(text);
        for rule in &rules.extra {
            found.extend(rule.find_iter(text).map(|found| found.range()));
        }
        found.extend(self.state.borrow().known.find(text));
        found.retain(|range| !range.is_empty());
        found.sort_by_key(|range| range.start);
        found
    }

    /// Whether the text of an object is to be hidden: then the object is redacted, and what makes it secret is a known
    /// text from now on. Otherwise it counts as shown.
    pub fn hides(&self, object: Addr, text: &str) -> bool {
        let found = self.secrets_in(text);
        if found.is_empty() {
            let shown = &mut self.state.borrow_mut().shown;
            shown.entry(object).or_insert_with(|| text.to_string());
            return false;
        }
        for range in found {
            self.add_text(&text[range]);
        }
        self.add_object(object);
        self.is_secret(object)
    }

    /// An object whose value was shown.
    pub fn add_shown(&self, object: Addr) {
        if self.is_active() {
            self.state.borrow_mut().shown.entry(object).or_default();
        }
    }

    /// A line of a source file ([`Redactor::source_file`]) without its secrets, of the same length in bytes. It counts as
    /// shown.
    pub fn mask_line(&self, line: &str) -> String {
        if !self.is_active() {
            return line.to_string();
        }
        // In code, `password=x` names a variable.
        let masked = mask(line, &self.search(line, patterns::find_keys));
        self.state.borrow_mut().shown_lines.insert(masked.clone());
        masked
    }

    /// A text in which each secret is replaced by a mark.
    pub fn replace(&self, text: &str) -> String {
        let mut replaced = String::new();
        let mut done = 0;
        for range in self.secrets_in(text) {
            if range.start >= done {
                replaced.push_str(&text[done..range.start]);
                replaced.push_str(REDACTED);
            }
            done = done.max(range.end);
        }
        replaced.push_str(&text[done..]);
        replaced
    }

    /// Whether the arguments of the command line are secret.
    pub fn hides_arguments(&self) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.hides_arguments)
    }

    /// Begins a pass, the first one included: what is known now is searched for. Returns whether one is needed, which is
    /// when the last one showed what it then found to be secret. What is needed may be refused ([`Redactor::gave_up`]).
    pub fn next_pass(&self) -> bool {
        let passes = self.passes.replace(self.passes.get() + 1);
        let is_late = self.is_late.replace(false);
        let state = &mut *self.state.borrow_mut();
        state.known = state.texts.known();
        let holds = |text: &String| !state.known.find(text).is_empty();
        let is_needed = passes == 0 || is_late || state.shown.values().chain(&state.shown_lines).any(holds);
        state.shown.clear();
        state.shown_lines.clear();
        self.gave_up.set(is_needed && passes >= MAX_PASSES);
        is_needed && passes < MAX_PASSES
    }

    /// Whether the last pass showed secrets, and no other one will follow.
    pub fn gave_up(&self) -> bool {
        self.gave_up.get()
    }

    /// The addresses of all redacted objects.
    pub fn objects(&self) -> BTreeSet<Addr> {
        self.state.borrow().objects.clone()
    }

    /// How many different values were left out.
    pub fn count(&self) -> u32 {
        self.state.borrow().met.len() as u32
    }

    /// Where bytes hold secrets: known texts in their encodings, and what has the form of a key.
    pub fn secrets_in_bytes(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found = self.state.borrow().known.find_bytes(bytes);
        found.extend(patterns::find_bytes(bytes));
        found.sort_by_key(|range| range.start);
        found
    }
}

/// Puts an asterisk for each byte of these parts but line ends.
pub fn mask(text: &str, parts: &[Range<usize>]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for part in parts {
        let start = part.start.max(done);
        if start >= part.end {
            continue;
        }
        masked.push_str(&text[done..start]);
        for c in text[start..part.end].chars() {
            match c {
                '\n' => masked.push('\n'),
                c => masked.extend(std::iter::repeat_n('*', c.len_utf8())),
            }
        }
        done = part.end;
    }
    masked.push_str(&text[done..]);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_late_takes_another_pass() {
        let redactor = Redactor::new(Rules::default());
        assert!(redactor.next_pass());
        assert!(!redactor.hides(Addr(1), "cannot log in with hunter-2-hunter"));
        assert!(redactor.add_object(Addr(2)));
        redactor.add_text("hunter-2-hunter");
        assert!(redactor.next_pass());
        assert!(redactor.hides(Addr(1), "cannot log in with hunter-2-hunter"));
        assert!(!redactor.hides(Addr(3), "cannot log in"));
        assert!(redactor.is_secret(Addr(2)));
        assert_eq!(
            redactor.mask_line("login('hunter-2-hunter')"),
            "login('***************')"
        );
        assert_eq!(redactor.replace("a hunter-2-hunter b"), "a <redacted> b");
        assert!(!redactor.next_pass());
        assert_eq!((redactor.count(), redactor.objects().len()), (2, 2));
        let recorded = Redactor::recorded(&redactor.objects());
        assert!(recorded.is_secret(Addr(1)) && !recorded.is_secret_name("password"));
        assert_eq!(recorded.mask_line("hunter-2-hunter"), "hunter-2-hunter");
    }

    #[test]
    fn an_object_that_was_shown_takes_another_pass() {
        let redactor = Redactor::new(Rules::default());
        redactor.next_pass();
        redactor.hides(Addr(1), "abc");
        redactor.add_object(Addr(1));
        assert!(redactor.next_pass());
        assert!(!redactor.next_pass());
    }

    #[test]
    fn extra_rules_are_for_names_and_texts() {
        let extra = vec![Regex::new("(?i)^iban$|DE[0-9]{20}").unwrap()];
        let redactor = Redactor::new(Rules {
            extra,
            hides_arguments: false,
        });
        assert!(redactor.is_secret_name("IBAN") && !redactor.is_secret_name("ibanez"));
        assert_eq!(
            redactor.mask_line("to DE89370400440532013000."),
            "to **********************."
        );
    }
}
