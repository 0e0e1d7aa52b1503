//! What the program says of itself before anything happens: notes (a key and a value) and breadcrumbs (the last lines of
//! text, with their time). The helper reads both from the stopped process.
//!
//! Fixed places in the library's own data, written without a lock and without allocation: from any thread, in a signal
//! handler, after a fork. A place has a sequence number, odd while someone writes it. Nobody waits for an odd one,
//! since who writes it may have died there: a note then takes another place, a breadcrumb the next one. The reader
//! leaves odd ones out.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::image;
use crate::sys::clock;

/// First field of a [`Page`]: the bytes `CFNOTES` and a zero.
pub const PAGE_MAGIC: u64 = u64::from_le_bytes(*b"CFNOTES\0");
/// Counts changes to [`Page`].
pub const PAGE_VERSION: u32 = 1;
/// How many notes there is room for.
pub const NOTES: usize = 64;
/// Longest key in bytes; a longer one is refused.
pub const KEY_SIZE: usize = 56;
/// Longest value in bytes; a longer one is cut.
pub const VALUE_SIZE: usize = 424;
/// How many breadcrumbs are kept.
pub const BREADCRUMBS: usize = 256;
/// Longest breadcrumb in bytes; a longer one is cut.
pub const TEXT_SIZE: usize = 232;

/// One note.
#[repr(C)]
pub struct Note {
    /// 0: never written; odd: being written.
    pub sequence: AtomicU64,
    /// When it was written, by [`Page::stamp`]: of two notes with one key the later counts.
    pub stamp: AtomicU64,
    /// Length of the key; 0 for a note that was removed.
    pub key_length: AtomicU32,
    /// Length of the value as it was given, which may be more than is kept.
    pub value_length: AtomicU32,
    /// The key, UTF-8.
    pub key: [AtomicU8; KEY_SIZE],
    /// The beginning of the value, UTF-8.
    pub value: [AtomicU8; VALUE_SIZE],
    /// To a size that is easy to read in a debugger.
    pub reserved: u64,
}

/// One breadcrumb.
#[repr(C)]
pub struct Breadcrumb {
    /// 0: never written; odd: being written; else twice its number, from 1.
    pub sequence: AtomicU64,
    /// CLOCK_REALTIME in nanoseconds.
    pub time_ns: AtomicU64,
    /// Length of the text as it was given, which may be more than is kept.
    pub length: AtomicU32,
    /// Always zero.
    pub reserved: u32,
    /// The beginning of the text, UTF-8.
    pub text: [AtomicU8; TEXT_SIZE],
}

/// All of it. Zero pages of the library's data until the first note.
#[repr(C)]
pub struct Page {
    /// [`PAGE_MAGIC`], once something was written or the process is captured.
    pub magic: AtomicU64,
    /// [`PAGE_VERSION`].
    pub version: AtomicU32,
    /// Size of this structure in bytes.
    pub size: AtomicU32,
    /// Address of libc's variable `environ`, or 0: the helper looks there for the test that pytest runs.
    pub environ: AtomicU64,
    /// Counts writes of notes.
    pub stamp: AtomicU64,
    /// Counts breadcrumbs.
    pub written: AtomicU64,
    /// How many of the newest breadcrumbs are wanted; 0 for all that are kept.
    pub wanted: AtomicU32,
    /// Always zero.
    pub reserved: u32,
    /// The notes, in no order.
    pub notes: [Note; NOTES],
    /// The breadcrumbs, a ring.
    pub breadcrumbs: [Breadcrumb; BREADCRUMBS],
}

const _: () = assert!(size_of::<Note>() == 512);
const _: () = assert!(size_of::<Breadcrumb>() == 256);
const _: () = assert!(size_of::<Page>() == 48 + NOTES * 512 + BREADCRUMBS * 256);

impl Page {
    /// An empty page.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            magic: AtomicU64::new(0),
            version: AtomicU32::new(0),
            size: AtomicU32::new(0),
            environ: AtomicU64::new(0),
            stamp: AtomicU64::new(0),
            written: AtomicU64::new(0),
            wanted: AtomicU32::new(0),
            reserved: 0,
            notes: [const {
                Note {
                    sequence: AtomicU64::new(0),
                    stamp: AtomicU64::new(0),
                    key_length: AtomicU32::new(0),
                    value_length: AtomicU32::new(0),
                    key: [const { AtomicU8::new(0) }; KEY_SIZE],
                    value: [const { AtomicU8::new(0) }; VALUE_SIZE],
                    reserved: 0,
                }
            }; NOTES],
            breadcrumbs: [const {
                Breadcrumb {
                    sequence: AtomicU64::new(0),
                    time_ns: AtomicU64::new(0),
                    length: AtomicU32::new(0),
                    reserved: 0,
                    text: [const { AtomicU8::new(0) }; TEXT_SIZE],
                }
            }; BREADCRUMBS],
        }
    }

    /// Says what this is and where libc's environment hangs. Before the first write, and when capture is turned on.
    pub fn open(&self) {
        if self.magic.load(Ordering::Relaxed) != PAGE_MAGIC {
            self.version.store(PAGE_VERSION, Ordering::Relaxed);
            self.size.store(size_of::<Self>() as u32, Ordering::Relaxed);
            self.environ
                .store(image::environment_variable() as u64, Ordering::Relaxed);
            self.magic.store(PAGE_MAGIC, Ordering::Release);
        }
    }

    /// Keeps a note, in place of the one with the same key; without a value, removes it. `false` where the key is empty or
    /// too long, or there is no room.
    pub fn annotate(&self, key: &[u8], value: Option<&[u8]>) -> bool {
        if key.is_empty() || key.len() > KEY_SIZE {
            return false;
        }
        self.open();
        let stamp = self.stamp.fetch_add(1, Ordering::Relaxed) + 1;
        let mut is_kept = false;
        for note in &self.notes {
            let taken = note.take(|note| note.has_key(key));
            if let Some(sequence) = taken {
                // Where threads raced for a key there may be a second note with it.
                match value.filter(|_| !is_kept) {
                    Some(value) => note.write(key, value, stamp),
                    None => note.key_length.store(0, Ordering::Relaxed),
                }
                is_kept = true;
                note.give_back(sequence);
            }
        }
        let Some(value) = value.filter(|_| !is_kept) else {
            return true;
        };
        for note in &self.notes {
            if let Some(sequence) = note.take(|note| note.key_length.load(Ordering::Relaxed) == 0) {
                note.write(key, value, stamp);
                note.give_back(sequence);
                return true;
            }
        }
        false
    }

    /// Keeps a breadcrumb in place of the oldest. `false` where every place is being written.
    pub fn breadcrumb(&self, text: &[u8]) -> bool {
        self.open();
        for _ in 0..BREADCRUMBS {
            let number = self.written.fetch_add(1, Ordering::Relaxed);
            let Some(place) = self.breadcrumbs.get(number as usize % BREADCRUMBS) else {
                return false;
            };
            let before = place.sequence.load(Ordering::Relaxed);
            if before & 1 != 0
                || place
                    .sequence
                    .compare_exchange(before, before | 1, Ordering::Acquire, Ordering::Relaxed)
                    .is_err()
            {
                continue;
            }
            place.time_ns.store(clock(0), Ordering::Relaxed);
            place
                .length
                .store(text.len().min(u32::MAX as usize) as u32, Ordering::Relaxed);
            copy(&place.text, text);
            place.sequence.store((number + 1) * 2, Ordering::Release);
            return true;
        }
        false
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::new()
    }
}

impl Note {
    /// Makes the note this thread's to write, if it is the wanted one and nobody writes it.
    fn take(&self, is_wanted: impl Fn(&Self) -> bool) -> Option<u64> {
        let sequence = self.sequence.load(Ordering::Acquire);
        let is_free = sequence & 1 == 0 && is_wanted(self);
        // The exchange fails where it was written since it was looked at.
        (is_free
            && self
                .sequence
                .compare_exchange(sequence, sequence | 1, Ordering::Acquire, Ordering::Relaxed)
                .is_ok())
        .then_some(sequence)
    }

    fn give_back(&self, sequence: u64) {
        self.sequence.store(sequence + 2, Ordering::Release);
    }

    fn has_key(&self, key: &[u8]) -> bool {
        self.key_length.load(Ordering::Relaxed) as usize == key.len()
            && self
                .key
                .iter()
                .zip(key)
                .all(|(kept, byte)| kept.load(Ordering::Relaxed) == *byte)
    }

    fn write(&self, key: &[u8], value: &[u8], stamp: u64) {
        self.stamp.store(stamp, Ordering::Relaxed);
        self.key_length.store(key.len() as u32, Ordering::Relaxed);
        self.value_length
            .store(value.len().min(u32::MAX as usize) as u32, Ordering::Relaxed);
        copy(&self.key, key);
        copy(&self.value, value);
    }
}

/// Copies what fits.
fn copy(to: &[AtomicU8], from: &[u8]) {
    for (place, byte) in to.iter().zip(from) {
        place.store(*byte, Ordering::Relaxed);
    }
}

/// The page of this process.
pub static PAGE: Page = Page::new();

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(page: &Page) -> impl Iterator<Item = &Note> {
        page.notes
            .iter()
            .filter(|note| note.key_length.load(Ordering::Relaxed) != 0)
    }

    #[test]
    fn a_key_has_one_note_and_room_ends() {
        static PAGE: Page = Page::new();
        assert!(!PAGE.annotate(b"", Some(b"x")) && !PAGE.annotate(&[b'k'; KEY_SIZE + 1], Some(b"x")));
        assert!(PAGE.annotate(b"key", Some(b"one")) && PAGE.annotate(b"key", Some(b"two, longer")));
        assert_eq!(kept(&PAGE).count(), 1);
        let note = kept(&PAGE).next().expect("a note");
        assert_eq!(note.value_length.load(Ordering::Relaxed), 11);
        assert!(PAGE.annotate(b"key", None));
        assert_eq!(kept(&PAGE).count(), 0);
        for number in 0..NOTES as u8 {
            assert!(PAGE.annotate(&[b'k', number], Some(&[b'v'; 2 * VALUE_SIZE])));
        }
        assert!(!PAGE.annotate(b"one more", Some(b"x")), "no room");
        assert!(PAGE.annotate(&[b'k', 7], Some(b"x")), "those that are there can change");
    }

    #[test]
    fn a_writer_that_died_holds_nobody_up() {
        static PAGE: Page = Page::new();
        assert!(PAGE.annotate(b"key", Some(b"one")));
        let note = kept(&PAGE).next().expect("a note");
        note.sequence.fetch_or(1, Ordering::Relaxed);
        assert!(PAGE.annotate(b"key", Some(b"two")));
        assert_eq!(kept(&PAGE).count(), 2, "in another place, with a later stamp");
        PAGE.breadcrumbs[0].sequence.store(1, Ordering::Relaxed);
        assert!(PAGE.breadcrumb(b"goes to the next place"));
        assert_eq!(PAGE.breadcrumbs[1].length.load(Ordering::Relaxed), 22);
        for place in &PAGE.breadcrumbs {
            place.sequence.store(1, Ordering::Relaxed);
        }
        assert!(!PAGE.breadcrumb(b"nowhere to go"));
    }
}
