//! Integers of any size.

use super::Python;
use crate::addr::Addr;
use crate::layout::IntFormat;
use crate::source::MemoryExt;

/// Bits in one digit; all supported 64-bit builds use 30 (PYLONG_BITS_IN_DIGIT, Include/cpython/longintrepr.h).
const DIGIT_BITS: u64 = 30;
/// The most digits of 30 bits whose decimal form is worked out: about 4,300 decimal digits, where
/// CPython itself stops (sys.int_info.default_max_str_digits).
const MAX_DIGITS: u64 = 480;
/// No memory holds more.
const IMPOSSIBLE_DIGITS: u64 = 1 << 45;

impl Python<'_> {
    /// The decimal form of an int.
    pub(super) fn int_repr(&self, object: Addr) -> Option<String> {
        let (negative, count) = self.int_size(object)?;
        if count > IMPOSSIBLE_DIGITS {
            return None;
        }
        if count > MAX_DIGITS {
            return Some(format!("<int of about {} bits>", count.saturating_mul(DIGIT_BITS)));
        }
        let digits = self
            .memory
            .read_vec(self.layout.offsets.long.digits.of(object), count as usize * 4)
            .ok()?;
        let digits = digits
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        let text = decimal(digits.rev());
        Some(if negative { format!("-{text}") } else { text })
    }

    /// Sign and number of digits.
    fn int_size(&self, object: Addr) -> Option<(bool, u64)> {
        match self.layout.behaviour.int_format {
            IntFormat::SignedSize => {
                let size = self
                    .memory
                    .read_i64(self.layout.offsets.var_object.ob_size.of(object))
                    .ok()?;
                Some((size < 0, size.unsigned_abs()))
            }
            IntFormat::Tag => {
                let tag = self.memory.read_u64(self.layout.offsets.long.tag.of(object)).ok()?;
                Some((tag & 3 == 2, tag >> 3))
            }
        }
    }
}

/// The decimal form of a number given as 30-bit digits, most significant first.
fn decimal(digits: impl Iterator<Item = u32>) -> String {
    const CHUNK: u64 = 1_000_000_000;
    let mut chunks: Vec<u64> = Vec::new();
    for digit in digits {
        let mut carry = u64::from(digit & ((1 << DIGIT_BITS) - 1));
        for chunk in &mut chunks {
            let value = (*chunk << DIGIT_BITS) + carry;
            *chunk = value % CHUNK;
            carry = value / CHUNK;
        }
        while carry > 0 {
            chunks.push(carry % CHUNK);
            carry /= CHUNK;
        }
    }
    let mut text = chunks.pop().unwrap_or(0).to_string();
    for chunk in chunks.iter().rev() {
        text.push_str(&format!("{chunk:09}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn decimal_of_digits() {
        assert_eq!(decimal([].into_iter()), "0");
        assert_eq!(decimal([42].into_iter()), "42");
        assert_eq!(decimal([1, 0].into_iter()), (1u64 << 30).to_string());
        // 2**200: 200 = 6 * 30 + 20.
        let digits = [1 << 20, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            decimal(digits.into_iter()),
            "1606938044258990275541962092341162602522202993782792835301376"
        );
    }
}
