//! How large a page may become.

/// What is left, in bytes of text and markup, for stacks, source lines and variables. What does not fit is left out, and
/// that is said.
pub struct Room {
    left: usize,
}

impl Room {
    /// So many bytes.
    pub fn of(bytes: usize) -> Room {
        Room { left: bytes }
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
