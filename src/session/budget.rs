//! How much of all the stacks of a process is read.

use super::ThreadStack;
use crate::notes::Notes;

/// The most frames that are read of the first thread, which is the crashed one: native and Python each.
const MAX_FRAMES: usize = 200_000;
/// The most of all threads but the first together: a thousand deep recursions would fill the memory.
const MAX_OTHER_FRAMES: usize = 50_000;
/// Each thread gets so many of them, whatever the others take.
const SHARE: usize = 64;

/// How many frames of each thread may be read.
pub struct FrameBudget {
    left: usize,
    threads: usize,
    share: usize,
    /// Threads of which more might have been read.
    cut: usize,
}

impl FrameBudget {
    /// For a process with this many threads.
    pub fn new(threads: usize) -> FrameBudget {
        FrameBudget {
            left: MAX_OTHER_FRAMES,
            threads,
            share: (MAX_OTHER_FRAMES / threads.max(1)).clamp(1, SHARE),
            cut: 0,
        }
    }

    /// For the next thread.
    pub fn allowed(&self, is_first: bool) -> usize {
        if is_first {
            return MAX_FRAMES;
        }
        let of_the_rest = self.share * self.threads.saturating_sub(1);
        self.left.saturating_sub(of_the_rest).max(self.share)
    }

    /// Counts a stack that was read; tells whether the limit cut it.
    pub fn take(&mut self, stack: &ThreadStack, is_first: bool) -> bool {
        let allowed = self.allowed(is_first);
        if !is_first {
            self.left = self.left.saturating_sub(stack.native.len().max(stack.python.len()));
        }
        self.threads = self.threads.saturating_sub(1);
        let is_cut = stack.native.len() >= allowed || stack.python.len() >= allowed;
        self.cut += usize::from(is_cut);
        is_cut
    }

    /// Says what was cut.
    pub fn note(&self, notes: &Notes) {
        if self.cut > 0 {
            notes.push(
                "stack",
                format!(
                    "{} threads have deep stacks; {MAX_FRAMES} frames are read of the first thread, \
                     {MAX_OTHER_FRAMES} of all others",
                    self.cut
                ),
                "their outer frames are missing",
                "",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::streams::PythonStep;

    /// What is read of each of `threads` stacks of `depth` frames, the first of which crashed.
    fn read(threads: usize, depth: usize) -> (Vec<usize>, Notes) {
        let mut budget = FrameBudget::new(threads);
        let mut lengths = Vec::new();
        for index in 0..threads {
            let len = depth.min(budget.allowed(index == 0));
            let stack = ThreadStack {
                python: vec![PythonStep::default(); len],
                ..ThreadStack::default()
            };
            budget.take(&stack, index == 0);
            lengths.push(len);
        }
        let notes = Notes::new();
        budget.note(&notes);
        (lengths, notes)
    }

    #[test]
    fn few_threads_are_read_whole_and_thousands_share() {
        let (lengths, notes) = read(35, 1000);
        assert_eq!(lengths, [1000; 35]);
        assert_eq!(notes.to_vec(), []);
        let (lengths, notes) = read(1000, 10_000);
        assert_eq!(lengths[0], 10_000);
        assert!(lengths.iter().all(|len| *len >= 50), "{lengths:?}");
        assert!(lengths.iter().sum::<usize>() <= 10_000 + MAX_OTHER_FRAMES);
        assert_eq!(notes.to_vec().len(), 1);
        let (lengths, _) = read(20_000, 100);
        assert!(lengths[1..].iter().all(|len| *len >= 2));
    }
}
