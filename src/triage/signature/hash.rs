//! A hash that stays the same for ever, for keys that people write into files.

/// FNV-1a with 64 bits (the FNV non-cryptographic hash, Fowler, Noll and Vo): names are short, and nobody gains from
/// a collision but a crowded group.
pub struct Hash(u64);

impl Default for Hash {
    fn default() -> Hash {
        Hash(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    /// Adds a text, told apart from the next one.
    pub fn add(&mut self, text: &str) {
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The first `digits` of its hexadecimal form.
    pub fn text(&self, digits: usize) -> String {
        format!("{:016x}", self.0)[..digits.min(16)].to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_the_same() {
        let mut hash = Hash::default();
        hash.add("MEM");
        hash.add("strlen");
        assert_eq!(hash.text(12), "cdbbc4b3d1e6");
        let mut joined = Hash::default();
        joined.add("MEMstrlen");
        assert_ne!(hash.text(16), joined.text(16));
    }
}
