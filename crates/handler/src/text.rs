//! NUL-terminated text of bounded length, built without allocation.

/// A C string of at most `N - 1` bytes in place. Whatever does not fit makes the whole text invalid rather than
/// cut short: a truncated path names another file.
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
    overflown: bool,
}

impl<const N: usize> Text<N> {
    /// The empty text.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
            overflown: false,
        }
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.push_byte(byte);
        }
    }

    fn push_byte(&mut self, byte: u8) {
        // One byte stays zero, the terminator.
        if self.length + 1 < N
            && let Some(slot) = self.bytes.get_mut(self.length)
        {
            *slot = byte;
            self.length += 1;
        } else {
            self.overflown = true;
        }
    }

    /// Appends a number in base 10 or 16, without prefix.
    pub fn push_number(&mut self, mut value: u64, base: u64) {
        let mut digits = [0u8; 20];
        let mut count = 0;
        for digit in &mut digits {
            let remainder = (value % base) as u8;
            *digit = if remainder < 10 {
                b'0' + remainder
            } else {
                b'a' + remainder - 10
            };
            count += 1;
            value /= base;
            if value == 0 {
                break;
            }
        }
        for &digit in digits.iter().take(count).rev() {
            self.push_byte(digit);
        }
    }

    /// Empties the text.
    pub fn clear(&mut self) {
        self.bytes = [0; N];
        self.length = 0;
        self.overflown = false;
    }

    /// The text, unless it is empty or did not fit.
    #[must_use]
    pub fn get(&self) -> Option<&[u8]> {
        if self.overflown || self.length == 0 {
            None
        } else {
            self.bytes.get(..self.length)
        }
    }

    /// The text with its terminator, for a system call; `None` as for [`Text::get`].
    #[must_use]
    pub fn as_c_string(&self) -> Option<*const u8> {
        self.get().map(<[u8]>::as_ptr)
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn numbers_in_both_bases() {
        let mut text = Text::<32>::new();
        text.push_number(0, 10);
        text.push(b" ");
        text.push_number(u64::MAX, 16);
        assert_eq!(text.get(), Some(&b"0 ffffffffffffffff"[..]));
        let mut text = Text::<32>::new();
        text.push_number(u64::MAX, 10);
        assert_eq!(text.get(), Some(&b"18446744073709551615"[..]));
    }

    #[test]
    fn what_does_not_fit_is_refused_whole() {
        let mut text = Text::<4>::new();
        text.push(b"abc");
        assert_eq!(text.get(), Some(&b"abc"[..]));
        text.push(b"d");
        assert_eq!(text.get(), None);
        text.clear();
        assert_eq!(text.get(), None);
    }
}
