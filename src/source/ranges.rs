//! Arithmetic on lists of address ranges.
//!
//! A list is *normal* when it is sorted, without empty ranges, and no two of its ranges overlap or touch.

use crate::addr::{Addr, AddrRange};

/// Makes a list normal: sorts it and joins ranges that overlap or touch.
pub fn normalize(list: &mut Vec<AddrRange>) {
    list.retain(|range| !range.is_empty());
    list.sort_unstable();
    list.dedup_by(|later, earlier| {
        let joined = later.start <= earlier.end;
        if joined {
            earlier.end = earlier.end.max(later.end);
        }
        joined
    });
}

/// The parts of `list` that are in none of `excluded`. Both are normal, and so is the result.
pub fn subtract(list: &[AddrRange], excluded: &[AddrRange]) -> Vec<AddrRange> {
    let mut rest = Vec::with_capacity(list.len());
    let mut holes = excluded.iter().peekable();
    for range in list {
        let mut start = range.start;
        while holes.next_if(|hole| hole.end <= start).is_some() {}
        // A hole may reach into the next range too, so only those that end here are consumed.
        while let Some(hole) = holes.peek().copied().filter(|hole| hole.start < range.end) {
            if start < hole.start {
                rest.push(AddrRange { start, end: hole.start });
            }
            start = start.max(hole.end);
            if hole.end > range.end {
                break;
            }
            holes.next();
        }
        if start < range.end {
            rest.push(AddrRange { start, end: range.end });
        }
    }
    rest
}

/// The range of a normal list that holds `addr`.
pub fn find(list: &[AddrRange], addr: Addr) -> Option<AddrRange> {
    let after = list.partition_point(|range| range.start <= addr);
    let range = list.get(after.checked_sub(1)?)?;
    range.contains(addr).then_some(*range)
}

/// The ranges of a normal list that overlap `range`.
pub fn overlapping(list: &[AddrRange], range: AddrRange) -> &[AddrRange] {
    let from = list.partition_point(|r| r.end <= range.start);
    let to = list.partition_point(|r| r.start < range.end);
    list.get(from..to).unwrap_or_default()
}

/// How many bytes a normal list holds.
pub fn total(list: &[AddrRange]) -> u64 {
    list.iter().map(AddrRange::len).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pairs: &[(u64, u64)]) -> Vec<AddrRange> {
        pairs
            .iter()
            .map(|&(start, end)| AddrRange {
                start: Addr(start),
                end: Addr(end),
            })
            .collect()
    }

    #[test]
    fn overlapping_and_touching_ranges_are_joined() {
        let mut ranges = list(&[(30, 40), (10, 20), (20, 25), (12, 14), (50, 50), (39, 45)]);
        normalize(&mut ranges);
        assert_eq!(ranges, list(&[(10, 25), (30, 45)]));
        assert_eq!(total(&ranges), 30);
    }

    #[test]
    fn subtract_agrees_with_bytes() {
        let mut seed = 7u64;
        let mut next = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % 100
        };
        for _ in 0..500 {
            let mut random = |count: u64| {
                let mut ranges: Vec<_> = (0..count).map(|_| AddrRange::new(Addr(next()), next() / 8)).collect();
                normalize(&mut ranges);
                ranges
            };
            let (keep, out) = (random(6), random(6));
            let rest = subtract(&keep, &out);
            for byte in (0..130).map(Addr) {
                let wanted = find(&keep, byte).is_some() && find(&out, byte).is_none();
                assert_eq!(
                    find(&rest, byte).is_some(),
                    wanted,
                    "{byte} of {keep:?} without {out:?}"
                );
            }
        }
    }
}
