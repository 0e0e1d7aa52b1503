//! What repeats in a list.

/// The cycle at the start of `items` that covers the most, the shortest of equals: its length, and how
/// often it occurs. Cycles of up to `max_period` items that occur at least `min_times` count; else the first item, once.
pub fn cycle_at_start<T: PartialEq>(items: &[T], max_period: usize, min_times: usize) -> (usize, usize) {
    let mut best = (1, 1);
    for period in 1..=max_period.min(items.len() / min_times.max(1)) {
        let (shorter, repeated) = best;
        if repeated >= min_times && period % shorter == 0 && period <= shorter * repeated {
            // Several times around the same cycle covers no more.
            continue;
        }
        let cycle = &items[..period];
        let times = items.chunks_exact(period).take_while(|chunk| *chunk == cycle).count();
        if times >= min_times && period * times > best.0 * best.1 {
            best = (period, times);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::cycle_at_start;

    #[test]
    fn the_shortest_that_covers_the_most() {
        assert_eq!(cycle_at_start(&[1, 1, 1, 1, 2], 8, 3), (1, 4));
        assert_eq!(cycle_at_start(&[1, 2, 1, 2, 1, 2, 3], 8, 3), (2, 3));
        assert_eq!(cycle_at_start(&[1, 2, 1, 2], 8, 3), (1, 1));
        assert_eq!(cycle_at_start(&[1, 1, 2, 1, 1, 2, 1, 1, 2], 8, 2), (3, 3));
        assert_eq!(cycle_at_start(&[1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 2], 8, 2), (6, 2));
        assert_eq!(cycle_at_start::<u8>(&[], 8, 3), (1, 1));
    }
}
