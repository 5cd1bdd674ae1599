//! Choosing: a group by weight, an instance by load. Pure; randomness is passed in.

use rand::{Rng, RngExt};

/// The less loaded of two random usable items: the power of two choices, which keeps the longest
/// queue exponentially shorter than one random choice does (M. Mitzenmacher, "The Power of Two
/// Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001), without the herding that the
/// least loaded of all would cause.
pub(crate) fn pick<'a, T>(
    items: &'a [T],
    usable: impl Fn(&T) -> bool,
    load: impl Fn(&T) -> u64,
    rng: &mut impl Rng,
) -> Option<&'a T> {
    let (one, two) = match items {
        [] => return None,
        [only] => return usable(only).then_some(only),
        _ => two_of(items, rng),
    };
    if usable(one) && usable(two) {
        return Some(less(one, two, load));
    }
    match two_usable(items, usable, rng) {
        (Some(one), Some(two)) => Some(less(one, two, load)),
        (one, _) => one,
    }
}

/// An item with a chance proportional to its weight among those not ruled out.
pub(crate) fn weighted<'a, T>(
    items: &'a [T],
    weight: impl Fn(&T) -> u32,
    rng: &mut impl Rng,
) -> Option<&'a T> {
    let total: u64 = items.iter().map(|item| u64::from(weight(item))).sum();
    if total == 0 {
        return None;
    }
    let mut rest = rng.random_range(0..total);
    items.iter().find(|item| {
        let share = u64::from(weight(item));
        let found = rest < share;
        rest = rest.saturating_sub(share);
        found
    })
}

fn less<'a, T>(one: &'a T, two: &'a T, load: impl Fn(&T) -> u64) -> &'a T {
    if load(two) < load(one) { two } else { one }
}

/// Two different items of at least two, in random order.
fn two_of<'a, T>(items: &'a [T], rng: &mut impl Rng) -> (&'a T, &'a T) {
    let one = rng.random_range(0..items.len());
    let step = rng.random_range(1..items.len());
    (&items[one], &items[(one + step) % items.len()])
}

/// Two random usable items in random order, in one pass without memory (reservoir sampling,
/// Vitter's algorithm R, which by itself keeps early items in early places).
fn two_usable<'a, T>(
    items: &'a [T],
    usable: impl Fn(&T) -> bool,
    rng: &mut impl Rng,
) -> (Option<&'a T>, Option<&'a T>) {
    let mut kept = [None, None];
    for (seen, item) in items.iter().filter(|item| usable(item)).enumerate() {
        let place = if seen < 2 { seen } else { rng.random_range(0..=seen) };
        if let Some(slot) = kept.get_mut(place) {
            *slot = Some(item);
        }
    }
    match kept {
        [one, Some(two)] if rng.random() => (Some(two), one),
        [one, two] => (one, two),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    /// How often each of `items` (usable, load) is picked in 10,000 tries.
    fn picks(items: &[(bool, u64)]) -> Vec<u32> {
        let mut rng = StdRng::seed_from_u64(7);
        let indexed: Vec<_> = items.iter().enumerate().collect();
        let mut counts = vec![0; items.len()];
        for _ in 0..10_000 {
            let picked = pick(&indexed, |(_, item)| item.0, |(_, item)| item.1, &mut rng);
            if let Some((index, _)) = picked {
                counts[*index] += 1;
            }
        }
        counts
    }

    #[test]
    fn equal_items_are_picked_equally_often() {
        let counts = picks(&[(true, 0); 4]);
        assert!(counts.iter().all(|count| (2_300..2_700).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_most_loaded_item_is_never_picked() {
        let counts = picks(&[(true, 1), (true, 9), (true, 2)]);
        assert_eq!(counts[1], 0);
        assert!(counts[0] > counts[2] && counts[2] > 0, "{counts:?}");
    }

    #[test]
    fn an_item_that_is_not_usable_is_never_picked() {
        let counts = picks(&[(false, 0), (true, 5), (false, 0), (true, 5), (true, 5)]);
        assert_eq!((counts[0], counts[2]), (0, 0));
        assert!([counts[1], counts[3], counts[4]].iter().all(|n| (3_000..3_700).contains(n)));
    }

    #[test]
    fn without_a_usable_item_nothing_is_picked() {
        assert_eq!(picks(&[]).iter().sum::<u32>(), 0);
        assert_eq!(picks(&[(false, 0)]).iter().sum::<u32>(), 0);
        assert_eq!(picks(&[(false, 0), (false, 1)]).iter().sum::<u32>(), 0);
        assert_eq!(picks(&[(false, 0), (true, 1)]), [0, 10_000]);
    }

    #[test]
    fn weights_are_shares() {
        let mut rng = StdRng::seed_from_u64(7);
        let weights = [0, 1, 3, 0];
        let indexed: Vec<_> = weights.iter().enumerate().collect();
        let mut counts = [0; 4];
        for _ in 0..10_000 {
            counts[weighted(&indexed, |(_, weight)| **weight, &mut rng).unwrap().0] += 1;
        }
        assert_eq!((counts[0], counts[3]), (0, 0));
        assert!((2_300..2_700).contains(&counts[1]), "{counts:?}");
        assert!(weighted(&[0, 0], |weight| *weight, &mut rng).is_none());
    }
}
