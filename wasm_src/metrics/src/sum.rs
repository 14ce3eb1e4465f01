//! Summation that does not lose small numbers when they are added to a large sum.

/// Sums with Neumaier's variant of Kahan's summation (Neumaier 1974).
pub fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut total, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = total + value;
        lost += if total.abs() >= value.abs() {
            (total - next) + value
        } else {
            (value - next) + total
        };
        total = next;
    }
    // Where the total has overflowed to infinity, the correction is not a number.
    if total.is_finite() { total + lost } else { total }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_is_kept() {
        assert_eq!(sum([1.0, 1e100, 1.0, -1e100].into_iter()), 2.0);
        assert_eq!(sum([f64::MAX, f64::MAX].into_iter()), f64::INFINITY);
    }
}
