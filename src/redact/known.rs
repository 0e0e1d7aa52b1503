//! Texts that are known to be secret, found again in whatever holds them.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use aho_corasick::AhoCorasick;

/// The shortest text that is looked for, in bytes: shorter ones are in everything.
const MIN_TEXT: usize = 5;
/// The longest part of a secret that is looked for: who copies more copies that, too.
const MAX_TEXT: usize = 512;
/// The most texts.
const MAX_TEXTS: usize = 2_000;
/// The most bytes of names that are held against the texts.
const MAX_STRUCTURE: usize = 4 << 20;

/// A secret in one of the forms in which it may be met.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Form {
    bytes: Vec<u8>,
    /// Matches only where no letter or digit stands beside it: it may be an ordinary word.
    is_word: bool,
}

/// Texts that are secret, and names that are not.
#[derive(Debug, Default)]
pub struct Texts {
    forms: BTreeSet<Form>,
    structure: HashSet<String>,
    structure_bytes: usize,
}

impl Texts {
    /// Adds a text, and each of its lines.
    pub fn add(&mut self, text: &str) {
        let lines = text.lines().map(str::trim).filter(|line| line.len() < text.len());
        for part in std::iter::once(text.trim()).chain(lines) {
            let mut end = part.len().min(MAX_TEXT);
            while !part.is_char_boundary(end) {
                end -= 1;
            }
            self.insert(part.as_bytes()[..end].to_vec(), is_word(part));
        }
    }

    /// Adds bytes that are no text.
    pub fn add_binary(&mut self, bytes: &[u8]) {
        // What is one byte over and over is no secret, but everywhere.
        if bytes.iter().any(|byte| Some(byte) != bytes.first()) {
            self.insert(bytes[..bytes.len().min(MAX_TEXT)].to_vec(), false);
        }
    }

    fn insert(&mut self, bytes: Vec<u8>, is_word: bool) {
        if bytes.len() >= MIN_TEXT && self.forms.len() < MAX_TEXTS {
            self.forms.insert(Form { bytes, is_word });
        }
    }

    /// Adds a name of the program.
    pub fn add_structure(&mut self, text: &str) {
        if text.len() >= MIN_TEXT && self.structure_bytes < MAX_STRUCTURE && !self.structure.contains(text) {
            self.structure_bytes += text.len();
            self.structure.insert(text.to_string());
        }
    }

    /// What can be looked for: all texts that are not also part of a name.
    pub fn known(&self) -> Known {
        let forms: Vec<Form> = self.forms.iter().cloned().collect();
        if forms.is_empty() {
            return Known::default();
        }
        let all = Known::new(forms);
        let mut is_name = vec![false; all.forms.len()];
        for name in &self.structure {
            for (index, _) in all.matches(name.as_bytes()) {
                is_name[index] = true;
            }
        }
        if !is_name.contains(&true) {
            return all;
        }
        let forms = all.forms.into_iter().zip(is_name).filter(|(_, is_name)| !is_name);
        Known::new(forms.map(|(form, _)| form).collect())
    }
}

/// Whether a text may be an ordinary word or number: digits alone, or letters alone, capitals only at its beginning or
/// throughout.
fn is_word(text: &str) -> bool {
    let rest = text.chars().skip(1);
    if text.chars().all(|c| c.is_ascii_digit()) {
        return true;
    }
    text.chars().all(|c| c.is_alphabetic() || c == '_')
        && (rest.clone().all(|c| !c.is_uppercase()) || text.chars().all(|c| !c.is_lowercase()))
}

/// A search for texts.
#[derive(Debug, Default)]
pub struct Known {
    forms: Vec<Form>,
    /// UTF-8, which is also how ASCII lies in a str.
    narrow: Option<AhoCorasick>,
    /// Of each form: as Latin-1, UCS-2 and UCS-4.
    wide: Option<AhoCorasick>,
}

impl Known {
    fn new(forms: Vec<Form>) -> Known {
        let mut wide: Vec<Vec<u8>> = Vec::new();
        for form in &forms {
            let Ok(text) = std::str::from_utf8(&form.bytes) else {
                continue;
            };
            let two: Option<Vec<[u8; 2]>> = text
                .chars()
                .map(|c| Some(u16::try_from(u32::from(c)).ok()?.to_le_bytes()))
                .collect();
            let one: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
            let four: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
            let one = one.filter(|_| !text.is_ascii());
            wide.extend([one, two.map(|units| units.concat()), Some(four)].into_iter().flatten());
        }
        let narrow = AhoCorasick::new(forms.iter().map(|form| &form.bytes)).ok();
        Known {
            narrow: narrow.filter(|_| !forms.is_empty()),
            wide: AhoCorasick::new(&wide).ok().filter(|_| !wide.is_empty()),
            forms,
        }
    }

    /// Where a text holds secrets.
    pub fn find(&self, text: &str) -> Vec<Range<usize>> {
        let found = self.matches(text.as_bytes()).map(|(_, range)| range);
        // Parts of characters match only in what is no UTF-8.
        found
            .filter(|range| text.is_char_boundary(range.start) && text.is_char_boundary(range.end))
            .collect()
    }

    /// Where bytes hold secrets, in any form.
    pub fn find_bytes(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = self.matches(bytes).map(|(_, range)| range).collect();
        for wide in self.wide.iter().flat_map(|wide| wide.find_overlapping_iter(bytes)) {
            found.push(wide.start()..wide.end());
        }
        found
    }

    fn matches<'t>(&'t self, bytes: &'t [u8]) -> impl Iterator<Item = (usize, Range<usize>)> + 't {
        let all = self
            .narrow
            .iter()
            .flat_map(move |narrow| narrow.find_overlapping_iter(bytes));
        all.filter_map(move |found| {
            let index = found.pattern().as_usize();
            let range = found.start()..found.end();
            let is_part = self.forms.get(index)?.is_word && touches_word(bytes, &range);
            (!is_part).then_some((index, range))
        })
    }
}

/// Whether a letter or digit stands on either side.
fn touches_word(bytes: &[u8], range: &Range<usize>) -> bool {
    let before = range.start.checked_sub(1).and_then(|at| bytes.get(at));
    let after = bytes.get(range.end);
    [before, after]
        .into_iter()
        .flatten()
        .any(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "a list of the one place that was found")]
mod tests {
    use super::*;

    fn known(texts: &[&str], structure: &[&str]) -> Known {
        let mut all = Texts::default();
        texts.iter().for_each(|text| all.add(text));
        structure.iter().for_each(|text| all.add_structure(text));
        all.known()
    }

    #[test]
    fn texts_are_found_and_names_are_not() {
        let known = known(
            &["hunter2", "swordfish", "session", "abc", "first-line\nsecond-line"],
            &["sessions.py", "my_session"],
        );
        let find = |text: &str| known.find(text);
        assert_eq!(find("xhunter2x"), [1..8]);
        assert_eq!(find("the swordfish"), [4..13]);
        assert!(find("swordfishes").is_empty());
        assert!(find("a session").is_empty(), "it is a name, too");
        assert!(find("abc").is_empty());
        assert_eq!(find("second-line"), [0..11]);
    }

    #[test]
    fn any_encoding_of_a_str_is_found() {
        let known = known(&["hünter2"], &[]);
        let text = "a hünter2 b";
        let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
        let two: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let four: Vec<u8> = text.chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
        assert_eq!(known.find_bytes(text.as_bytes()), [2..10]);
        assert_eq!(known.find_bytes(&latin), [2..9]);
        assert_eq!(known.find_bytes(&two), [4..18]);
        assert_eq!(known.find_bytes(&four), [8..36]);
        let mut binary = Texts::default();
        binary.add_binary(&[0; 32]);
        binary.add_binary(b"\xff\x01\x02\x03\x04\x05");
        assert_eq!(binary.known().find_bytes(b"..\xff\x01\x02\x03\x04\x05"), [2..8]);
        assert!(binary.known().find_bytes(&[0; 64]).is_empty());
    }
}
