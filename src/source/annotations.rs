//! What a program said of itself: the handler's page of notes and breadcrumbs, and the test that pytest runs.
//!
//! Read from the process, not through a recorder: of the environment nothing may come into a dump but two variables.

use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};

use coldframe_handler::annotations::{
    BREADCRUMBS, Breadcrumb as RawBreadcrumb, KEY_SIZE, NOTES, Note as RawNote, PAGE_MAGIC, PAGE_VERSION, Page,
    TEXT_SIZE, VALUE_SIZE,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::streams::Breadcrumb;
use super::{Memory, MemoryExt};
use crate::addr::Addr;

/// The most variables of an environment that are looked at.
const MAX_VARIABLES: u64 = 4096;
/// The most bytes of a variable's value.
const MAX_VALUE: usize = 1024;
/// Variables of the environment that are kept, and the annotations that they become. pytest sets the first for each test
/// and phase, pytest-xdist the second in its workers.
const VARIABLES: [(&[u8], &str); 2] = [(b"PYTEST_CURRENT_TEST=", "test"), (b"PYTEST_XDIST_WORKER=", "worker")];

/// What a program said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// Values by key.
    pub notes: BTreeMap<String, String>,
    /// The newest last.
    pub breadcrumbs: Vec<Breadcrumb>,
}

/// Reads the page at `address`; `None` where there is none of this version. What is being written is left out.
#[must_use]
pub fn read(memory: &dyn Memory, address: Addr) -> Option<Annotations> {
    let page = memory.read_vec(address, size_of::<Page>()).ok()?;
    let is_known = word(&page, offset_of!(Page, magic)) == PAGE_MAGIC
        && half(&page, offset_of!(Page, version)) == PAGE_VERSION
        && half(&page, offset_of!(Page, size)) as usize == size_of::<Page>();
    if !is_known {
        return None;
    }
    let mut notes = variables(memory, Addr(word(&page, offset_of!(Page, environ))));
    notes.extend(written_notes(&page));
    Some(Annotations {
        notes,
        breadcrumbs: written_breadcrumbs(&page),
    })
}

fn written_notes(page: &[u8]) -> BTreeMap<String, String> {
    let mut latest: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for note in elements(page, offset_of!(Page, notes), size_of::<RawNote>(), NOTES) {
        let key_size = half(note, offset_of!(RawNote, key_length)) as usize;
        if word(note, offset_of!(RawNote, sequence)) & 1 != 0 || key_size == 0 || key_size > KEY_SIZE {
            continue;
        }
        let key = text(note, offset_of!(RawNote, key), key_size, KEY_SIZE);
        let value_size = half(note, offset_of!(RawNote, value_length)) as usize;
        let value = text(note, offset_of!(RawNote, value), value_size, VALUE_SIZE);
        let stamp = word(note, offset_of!(RawNote, stamp));
        if latest.get(&key).is_none_or(|(other, _)| *other < stamp) {
            latest.insert(key, (stamp, value));
        }
    }
    latest.into_iter().map(|(key, (_, value))| (key, value)).collect()
}

fn written_breadcrumbs(page: &[u8]) -> Vec<Breadcrumb> {
    let start = offset_of!(Page, breadcrumbs);
    let mut kept: Vec<(u64, Breadcrumb)> = elements(page, start, size_of::<RawBreadcrumb>(), BREADCRUMBS)
        .filter_map(|raw| {
            let sequence = word(raw, offset_of!(RawBreadcrumb, sequence));
            if sequence == 0 || sequence & 1 != 0 {
                return None;
            }
            let time = i128::from(word(raw, offset_of!(RawBreadcrumb, time_ns)));
            let time = OffsetDateTime::from_unix_timestamp_nanos(time).ok();
            let milliseconds =
                time.and_then(|time| time.replace_nanosecond(time.nanosecond() / 1_000_000 * 1_000_000).ok());
            let size = half(raw, offset_of!(RawBreadcrumb, length)) as usize;
            Some((
                sequence,
                Breadcrumb {
                    time: milliseconds.and_then(|time| time.format(&Rfc3339).ok()),
                    text: text(raw, offset_of!(RawBreadcrumb, text), size, TEXT_SIZE),
                },
            ))
        })
        .collect();
    kept.sort_by_key(|(sequence, _)| *sequence);
    let wanted = match half(page, offset_of!(Page, wanted)) {
        0 => BREADCRUMBS,
        wanted => wanted as usize,
    };
    let surplus = kept.len().saturating_sub(wanted);
    kept.into_iter()
        .skip(surplus)
        .map(|(_, breadcrumb)| breadcrumb)
        .collect()
}

/// The elements of an array in the page.
fn elements(page: &[u8], start: usize, size: usize, count: usize) -> impl Iterator<Item = &[u8]> {
    page.get(start..start + size * count)
        .unwrap_or_default()
        .chunks_exact(size)
}

fn word(bytes: &[u8], offset: usize) -> u64 {
    let bytes = bytes.get(offset..).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn half(bytes: &[u8], offset: usize) -> u32 {
    let bytes = bytes.get(offset..).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Text of `length` bytes of which `kept` at most are there; what was cut ends with an ellipsis.
fn text(bytes: &[u8], offset: usize, length: usize, kept: usize) -> String {
    let bytes = bytes.get(offset..offset + length.min(kept)).unwrap_or_default();
    if length <= kept {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    // The last character may have been cut in two.
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.get(..error.valid_up_to()).unwrap_or_default(),
        _ => bytes,
    };
    format!("{}...", String::from_utf8_lossy(whole))
}

/// The variables of [`VARIABLES`] in the environment that libc's `environ`, at this address, leads to.
fn variables(memory: &dyn Memory, environ: Addr) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Some(block) = Some(environ)
        .filter(|at| at.0 != 0)
        .and_then(|at| memory.read_addr(at).ok())
    else {
        return found;
    };
    for index in 0..MAX_VARIABLES {
        let Some(entry) = memory.read_addr(block.add(index * 8)).ok().filter(|entry| entry.0 != 0) else {
            break;
        };
        for (beginning, key) in VARIABLES {
            if memory
                .read_c_string(entry, beginning.len())
                .is_ok_and(|text| text == beginning)
                && let Ok(value) = memory.read_c_string(entry.add(beginning.len() as u64), MAX_VALUE)
            {
                let value = String::from_utf8_lossy(&value).into_owned();
                found.insert(key.to_string(), without_phase(value));
            }
        }
    }
    found
}

/// pytest adds the phase to the test's id: ` (setup)`, ` (call)` or ` (teardown)`.
fn without_phase(mut value: String) -> String {
    let phases = [" (setup)", " (call)", " (teardown)"];
    if let Some(phase) = phases.iter().find(|phase| value.ends_with(**phase)) {
        value.truncate(value.len() - phase.len());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::FakeMemory;

    const AT: Addr = Addr(0x10_000);

    fn bytes_of(page: &Page) -> Vec<u8> {
        let words = [
            (offset_of!(Page, magic), PAGE_MAGIC),
            (
                offset_of!(Page, version),
                u64::from(PAGE_VERSION) | (size_of::<Page>() as u64) << 32,
            ),
        ];
        let mut bytes = vec![0; size_of::<Page>()];
        for (offset, word) in words {
            bytes[offset..offset + 8].copy_from_slice(&word.to_le_bytes());
        }
        for (index, note) in page.notes.iter().enumerate() {
            let at = offset_of!(Page, notes) + index * size_of::<RawNote>();
            put_note(&mut bytes[at..], note);
        }
        for (index, crumb) in page.breadcrumbs.iter().enumerate() {
            let at = offset_of!(Page, breadcrumbs) + index * size_of::<RawBreadcrumb>();
            let bytes = &mut bytes[at..];
            bytes[..8].copy_from_slice(&crumb.sequence.load(Relaxed).to_le_bytes());
            bytes[8..16].copy_from_slice(&1_700_000_000_123_456_789u64.to_le_bytes());
            bytes[16..20].copy_from_slice(&crumb.length.load(Relaxed).to_le_bytes());
            for (to, from) in bytes[offset_of!(RawBreadcrumb, text)..].iter_mut().zip(&crumb.text) {
                *to = from.load(Relaxed);
            }
        }
        bytes
    }

    use std::sync::atomic::Ordering::Relaxed;

    fn put_note(bytes: &mut [u8], note: &RawNote) {
        bytes[..8].copy_from_slice(&note.sequence.load(Relaxed).to_le_bytes());
        bytes[8..16].copy_from_slice(&note.stamp.load(Relaxed).to_le_bytes());
        bytes[16..20].copy_from_slice(&note.key_length.load(Relaxed).to_le_bytes());
        bytes[20..24].copy_from_slice(&note.value_length.load(Relaxed).to_le_bytes());
        for (to, from) in bytes[24..].iter_mut().zip(note.key.iter().chain(&note.value)) {
            *to = from.load(Relaxed);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        static PAGE: Page = Page::new();
        PAGE.annotate(b"plain", Some("wörd".as_bytes()));
        PAGE.annotate(b"gone", Some(b"x"));
        PAGE.annotate(b"gone", None);
        PAGE.annotate(b"long", Some("ö".repeat(300).as_bytes()));
        for number in 0..BREADCRUMBS + 3 {
            PAGE.breadcrumb(format!("step {number}").as_bytes());
        }
        let mut bytes = bytes_of(&PAGE);
        let read_from = |bytes: &[u8]| read(&FakeMemory::new().with(AT, bytes.to_vec()), AT).expect("a page");
        let annotations = read_from(&bytes);
        assert_eq!(annotations.notes["plain"], "wörd");
        assert_eq!(annotations.notes["long"], format!("{}...", "ö".repeat(VALUE_SIZE / 2)));
        assert_eq!(annotations.notes.len(), 2);
        assert_eq!(annotations.breadcrumbs.len(), BREADCRUMBS);
        assert_eq!(annotations.breadcrumbs[0].text, "step 3");
        assert_eq!(
            annotations.breadcrumbs[0].time.as_deref(),
            Some("2023-11-14T22:13:20.123Z")
        );
        bytes[offset_of!(Page, wanted)] = 2;
        let annotations = read_from(&bytes);
        assert_eq!(annotations.breadcrumbs.len(), 2);
        assert_eq!(annotations.breadcrumbs[1].text, format!("step {}", BREADCRUMBS + 2));
    }

    #[test]
    fn a_page_may_hold_anything() {
        assert_eq!(read(&FakeMemory::new(), AT), None);
        let mut bytes = bytes_of(&Page::new());
        assert_eq!(read(&FakeMemory::new().with(AT, bytes[..100].to_vec()), AT), None);
        // Lengths that lie, bytes that are no text, numbers that are odd.
        bytes[48..].fill(0xff);
        let annotations = read(&FakeMemory::new().with(AT, bytes.clone()), AT).expect("a page");
        assert_eq!(annotations, Annotations::default());
        bytes[48..].fill(0xfe);
        let annotations = read(&FakeMemory::new().with(AT, bytes.clone()), AT).expect("a page");
        assert!(annotations.notes.is_empty(), "a key of that length cannot be");
        assert_eq!(annotations.breadcrumbs.len(), BREADCRUMBS);
        bytes[0] = 0;
        assert_eq!(read(&FakeMemory::new().with(AT, bytes), AT), None);
    }

    #[test]
    fn only_what_names_the_test_is_taken_from_the_environment() {
        let (variable, block, strings) = (Addr(0x1000), Addr(0x2000), Addr(0x3000));
        let mut text = b"SECRET=x\0PYTEST_CURRENT_TEST=tests/test_a.py::test_b[1 (call)] (call)\0".to_vec();
        let worker = text.len() as u64;
        text.extend(b"PYTEST_XDIST_WORKER=gw1\0");
        text.resize(text.len() + 64, 0);
        let entries = [strings.0, strings.0 + 9, 0x9999, strings.0 + worker, 0];
        let entries: Vec<u8> = entries.iter().flat_map(|entry: &u64| entry.to_le_bytes()).collect();
        let memory = FakeMemory::new()
            .with(variable, block.0.to_le_bytes().to_vec())
            .with(block, entries)
            .with(strings, text);
        let found = variables(&memory, variable);
        let expected = [("test", "tests/test_a.py::test_b[1 (call)]"), ("worker", "gw1")];
        assert_eq!(
            found,
            expected.map(|(key, value)| (key.to_string(), value.to_string())).into()
        );
        assert!(variables(&memory, Addr(0)).is_empty() && variables(&memory, Addr(0x77)).is_empty());
    }
}
