//! How large a page may become.

/// Bytes of text and markup that source lines and variables may take together; what does not fit is counted.
const MOST: usize = 1_000_000;

/// What is left.
pub(super) struct Room {
    left: usize,
}

impl Room {
    pub(super) fn new() -> Room {
        Room { left: MOST }
    }

    /// Takes `bytes`; false, and no change, where there is not so much left.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.left;
        if fits {
            self.left -= bytes;
        }
        fits
    }
}
