//! Exact sums: every bit of every number is kept, and the result is rounded once.

/// Weight of the lowest bit that a double can have: 2^-1074.
const LOWEST_BIT: i32 = -1074;
const DIGIT_BITS: u32 = 32;
const DIGIT: i64 = (1 << DIGIT_BITS) - 1;
/// Digits for the 2098 bits of doubles, and for the carries of 2^31 of them, more than a guest's memory can hold.
const DIGITS: usize = 68;
const MANTISSA_BITS: u32 = 52;
const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;
const LARGEST_EXPONENT: i32 = 1023;

/// A sum of finite numbers as one large whole number, in units of 2^-1074 and in digits of 32 bits, lowest first.
///
/// A digit takes pieces of both signs and is carried only at the end (Neal 2015, "Fast exact summation using small and
/// large superaccumulators"). A piece has 32 bits, so a digit has room for those of 2^31 numbers.
pub struct Sum([i64; DIGITS]);

impl Sum {
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sum = Self([0; DIGITS]);
        values.for_each(|value| sum.add(value));
        sum.carry();
        sum
    }

    /// Returns the sum, rounded to the nearest double; infinite where it is larger than any.
    pub fn value(&self) -> f64 {
        self.scaled(0)
    }

    /// Returns the sum times 2^-power, rounded to the nearest double. `power` is not negative.
    pub fn scaled(&self, power: i32) -> f64 {
        let is_negative = self.0.last().is_some_and(|digit| *digit < 0);
        let rounded = if is_negative {
            -self.negated().rounded(power)
        } else {
            self.rounded(power)
        };
        rounded + 0.0 // never a negative zero
    }

    fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let exponent = (bits >> MANTISSA_BITS) as u32 & 0x7ff;
        let implicit = u64::from(exponent > 0) << MANTISSA_BITS;
        let shift = exponent.max(1) - 1;
        let mantissa = bits & MANTISSA | implicit;
        // 53 bits, shifted by up to 31, in three pieces of 32 bits.
        let by = shift % DIGIT_BITS;
        let low = (mantissa & DIGIT as u64) << by;
        let high = (low >> DIGIT_BITS) + ((mantissa >> DIGIT_BITS) << by);
        let pieces = [low as i64 & DIGIT, high as i64 & DIGIT, (high >> DIGIT_BITS) as i64];
        let sign = if value.is_sign_negative() { -1 } else { 1 };
        let first = (shift / DIGIT_BITS) as usize;
        if let Some(digits) = self.0.get_mut(first..first + pieces.len()) {
            digits
                .iter_mut()
                .zip(pieces)
                .for_each(|(digit, piece)| *digit += sign * piece);
        }
    }

    /// Makes every digit but the highest one lie from 0 to 2^32 - 1; the highest one then has the sign.
    fn carry(&mut self) {
        let mut carried = 0;
        let highest = DIGITS - 1;
        for digit in self.0.iter_mut().take(highest) {
            let with = *digit + carried;
            (*digit, carried) = (with & DIGIT, with >> DIGIT_BITS);
        }
        if let Some(digit) = self.0.last_mut() {
            *digit += carried;
        }
    }

    fn negated(&self) -> Self {
        let mut negated = Self(self.0.map(|digit| -digit));
        negated.carry();
        negated
    }

    /// Rounds a sum that is not negative, times 2^-power.
    fn rounded(&self, power: i32) -> f64 {
        let Some(highest) = self.0.iter().rposition(|digit| *digit != 0) else {
            return 0.0;
        };
        let digit = |place: usize| self.0.get(place).map_or(0, |digit| *digit as u128);
        let lowest = highest.saturating_sub(2);
        // The highest three digits have at least 65 bits, more than a double and the bit by which it is rounded; whether
        // anything lies below them decides only a tie.
        let top = digit(lowest) | digit(lowest + 1) << DIGIT_BITS | digit(lowest + 2) << (2 * DIGIT_BITS);
        let is_more = self.0.iter().take(lowest).any(|digit| *digit != 0);
        let mantissa = (top | u128::from(is_more)) as f64;
        times_power_of_two(mantissa, LOWEST_BIT + lowest as i32 * DIGIT_BITS as i32 - power)
    }
}

/// Returns the exponent of the power of two just above a finite number's size, as C's `frexp` does; 0 for 0.
pub fn exponent(value: f64) -> i32 {
    let biased = |value: f64| (value.to_bits() >> MANTISSA_BITS) as i32 & 0x7ff;
    match biased(value) {
        0 if value == 0.0 => 0,
        0 => biased(value * power_of_two(64)) - 64 - LARGEST_EXPONENT + 1,
        exponent => exponent - LARGEST_EXPONENT + 1,
    }
}

/// Returns `value` times 2^power, rounded once.
pub fn times_power_of_two(value: f64, power: i32) -> f64 {
    if power > LARGEST_EXPONENT {
        return times_power_of_two(value * power_of_two(LARGEST_EXPONENT), power - LARGEST_EXPONENT);
    }
    if power < LOWEST_BIT {
        // Exact, because only a large value is made so much smaller.
        return times_power_of_two(value * power_of_two(-LARGEST_EXPONENT), power + LARGEST_EXPONENT);
    }
    value * power_of_two(power)
}

/// Returns 2^power, for powers from -1074 to 1023.
fn power_of_two(power: i32) -> f64 {
    let normal = power + LARGEST_EXPONENT;
    if normal > 0 {
        f64::from_bits((normal as u64) << MANTISSA_BITS)
    } else {
        f64::from_bits(1 << (power - LOWEST_BIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        Sum::of(values.iter().copied()).value()
    }

    #[test]
    fn what_is_small_is_kept() {
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(sum(&[1e100, 1e50, 1.0, -1e100, -1e50]), 1.0);
        assert_eq!(sum(&[f64::MAX, 5e-324, -f64::MAX]), 5e-324);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[-0.1; 10]), -1.0);
        assert_eq!(sum(&[]), 0.0);
    }

    #[test]
    fn sums_on_the_way_may_be_larger_than_any_double() {
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]), f64::MAX);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(sum(&[-f64::MAX, -f64::MAX]), f64::NEG_INFINITY);
        assert_eq!(Sum::of([f64::MAX; 2].into_iter()).scaled(1), f64::MAX);
    }

    #[test]
    fn ties_go_to_the_even_neighbour_and_what_is_below_them_decides() {
        let half = 2f64.powi(-53);
        assert_eq!(sum(&[1.0, half]), 1.0);
        assert_eq!(sum(&[1.0, half, 5e-324]), 1.0 + f64::EPSILON);
        assert_eq!(sum(&[1.0 + f64::EPSILON, half]), 1.0 + 2.0 * f64::EPSILON);
        assert_eq!(sum(&[-1.0, -half, 5e-324]), -1.0);
    }

    #[test]
    fn exponents_are_those_of_frexp() {
        for (value, expected) in [
            (0.0, 0),
            (1.0, 1),
            (0.75, 0),
            (-3.0, 2),
            (f64::MAX, 1024),
            (5e-324, -1073),
        ] {
            assert_eq!(exponent(value), expected, "{value:e}");
            assert!(
                value == 0.0 || (0.5..1.0).contains(&times_power_of_two(value.abs(), -expected)),
                "{value:e}"
            );
        }
    }
}
