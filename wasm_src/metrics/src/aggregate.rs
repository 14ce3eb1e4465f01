//! The operation `metrics.aggregate`: count, spread, percentiles and histogram of named series.

use std::collections::BTreeMap;

use abi::{Fault, Outcome};
use serde::{Deserialize, Serialize};

use crate::histogram::{self, Bucket};
use crate::sum::{Sum, exponent, times_power_of_two};

/// More bits than the number of samples can have: sums are halved so often that they are finite.
const COUNT_BITS: i32 = 64;

#[derive(Deserialize)]
pub struct Args {
    series: BTreeMap<String, Vec<Option<f64>>>,
    edges: Vec<f64>,
}

#[derive(Debug, Serialize)]
pub struct Summary {
    count: usize,
    failures: usize,
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
    stdev: Option<f64>,
    p50: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    p99_9: Option<f64>,
    histogram: Vec<Bucket>,
}

pub fn run(args: Args) -> Outcome<BTreeMap<String, Summary>> {
    let edges = if args.edges.is_empty() { histogram::default_edges() } else { args.edges };
    if !edges.iter().all(|edge| edge.is_finite()) || !edges.is_sorted_by(|one, next| one < next) {
        return Err(Fault::invalid_arguments("edges: give finite numbers, each larger than the one before"));
    }
    args.series.into_iter().map(|(name, samples)| summary(&name, samples, &edges).map(|found| (name, found))).collect()
}

fn summary(name: &str, samples: Vec<Option<f64>>, edges: &[f64]) -> Outcome<Summary> {
    let given = samples.len();
    let mut sorted: Vec<f64> = samples.into_iter().flatten().collect();
    if let Some(at) = sorted.iter().position(|sample| !sample.is_finite()) {
        return Err(Fault::invalid_arguments(format!("series {name:?}: {} is not a finite number", sorted[at])));
    }
    sorted.sort_by(f64::total_cmp);
    let mean = mean(&sorted);
    Ok(Summary {
        count: sorted.len(),
        failures: given - sorted.len(),
        min: sorted.first().copied(),
        max: sorted.last().copied(),
        mean,
        stdev: deviation(name, &sorted)?,
        p50: percentile(&sorted, 0.5),
        p90: percentile(&sorted, 0.9),
        p95: percentile(&sorted, 0.95),
        p99: percentile(&sorted, 0.99),
        p99_9: percentile(&sorted, 0.999),
        histogram: histogram::count(&sorted, edges),
    })
}

/// The mean, which is finite even where the sum is not.
fn mean(samples: &[f64]) -> Option<f64> {
    let count = samples.len() as f64;
    let sum = Sum::of(samples.iter().copied());
    let mean = sum.value() / count;
    if mean.is_infinite() {
        return Some(times_power_of_two(sum.scaled(COUNT_BITS) / count, COUNT_BITS));
    }
    (!samples.is_empty()).then_some(mean)
}

/// The standard deviation of a sample, which divides by the count less one; 0 for a single value, none for no value.
///
/// Samples are scaled to below 1, so that no square overflows or vanishes, and the sum of the deviations corrects for the
/// rounding of the mean (Chan, Golub and LeVeque 1983).
fn deviation(name: &str, sorted: &[f64]) -> Outcome<Option<f64>> {
    let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else {
        return Ok(None);
    };
    if least == most {
        return Ok(Some(0.0));
    }
    let count = sorted.len() as f64;
    let power = exponent(least.abs().max(most.abs()));
    let scaled = || sorted.iter().map(|sample| times_power_of_two(*sample, -power));
    let mean = Sum::of(scaled()).value() / count;
    let off = || scaled().map(|sample| sample - mean);
    let (drift, squares) = (Sum::of(off()).value(), Sum::of(off().map(|by| by * by)).value());
    let variance = (squares - drift * drift / count) / (count - 1.0);
    let found = times_power_of_two(variance.max(0.0).sqrt(), power);
    if found.is_infinite() {
        return Err(Fault::invalid_arguments(format!("series {name:?}: its standard deviation is over the largest number")));
    }
    Ok(Some(found))
}

/// A percentile by linear interpolation between the closest ranks (type 7 of Hyndman and Fan 1996).
fn percentile(sorted: &[f64], quantile: f64) -> Option<f64> {
    let rank = quantile * sorted.len().checked_sub(1)? as f64;
    let below = rank.floor() as usize;
    let low = *sorted.get(below)?;
    let high = sorted.get(below + 1).copied().unwrap_or(low);
    let (between, part) = (high - low, rank - below as f64);
    if between.is_infinite() {
        return Some(low * (1.0 - part) + high * part);
    }
    Some(low + between * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_a_series_with_a_failure() {
        let series = BTreeMap::from([("a".to_owned(), vec![Some(1.0), None, Some(4.0), Some(2.0), Some(3.0)])]);
        let found = run(Args { series, edges: Vec::new() }).expect("the samples are finite");
        let summary = &found["a"];
        assert_eq!((summary.count, summary.failures), (4, 1));
        assert_eq!((summary.mean, summary.p50, summary.p90), (Some(2.5), Some(2.5), Some(3.7)));
        assert!((summary.stdev.unwrap_or_default() - 1.290_994_448_735_805_6).abs() < 1e-15);
    }

    fn summary_of(samples: &[f64]) -> Summary {
        summary("a", samples.iter().copied().map(Some).collect(), &[]).expect("the deviation is a number")
    }

    #[test]
    fn the_largest_samples_have_finite_statistics() {
        let found = summary_of(&[1.7e308, 1.7e308]);
        assert_eq!((found.mean, found.stdev, found.p99), (Some(1.7e308), Some(0.0), Some(1.7e308)));
        let found = summary_of(&[-1e308, 1e308]);
        assert_eq!((found.mean, found.min, found.p50, found.max), (Some(0.0), Some(-1e308), Some(0.0), Some(1e308)));
        assert!(summary("a", vec![Some(f64::MAX), Some(-f64::MAX)], &[]).is_err());
    }

    #[test]
    fn the_smallest_differences_are_seen() {
        assert_eq!(summary_of(&[1.0, 1.0 + f64::EPSILON]).stdev, Some(2f64.powf(-52.5)));
        let tiny = summary_of(&[1e-200, 3e-200]).stdev.unwrap_or_default();
        assert!((tiny / 2f64.sqrt() / 1e-200 - 1.0).abs() < 1e-15);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let series = BTreeMap::from([("a".to_owned(), vec![Some(f64::NAN)])]);
        assert!(run(Args { series, edges: Vec::new() }).is_err());
    }
}
