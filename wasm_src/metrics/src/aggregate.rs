//! The operation `metrics.aggregate`: count, spread, percentiles and histogram of named series.

use std::collections::BTreeMap;

use abi::{Fault, Outcome};
use serde::{Deserialize, Serialize};

use crate::histogram::{self, Bucket};
use crate::sum::sum;

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
        stdev: mean.map(|mean| deviation(&sorted, mean)),
        p50: percentile(&sorted, 0.5),
        p90: percentile(&sorted, 0.9),
        p95: percentile(&sorted, 0.95),
        p99: percentile(&sorted, 0.99),
        p99_9: percentile(&sorted, 0.999),
        histogram: histogram::count(&sorted, edges),
    })
}

fn mean(samples: &[f64]) -> Option<f64> {
    (!samples.is_empty()).then(|| sum(samples.iter().copied()) / samples.len() as f64)
}

/// The standard deviation of a sample, which divides by the count less one; 0 for a single value.
fn deviation(samples: &[f64], mean: f64) -> f64 {
    if samples.len() < 2 {
        return 0.0;
    }
    let squares = samples.iter().map(|sample| (sample - mean) * (sample - mean));
    (sum(squares) / (samples.len() - 1) as f64).sqrt()
}

/// A percentile by linear interpolation between the closest ranks (type 7 of Hyndman and Fan 1996).
fn percentile(sorted: &[f64], quantile: f64) -> Option<f64> {
    let rank = quantile * sorted.len().checked_sub(1)? as f64;
    let below = rank.floor() as usize;
    let low = *sorted.get(below)?;
    let high = sorted.get(below + 1).copied().unwrap_or(low);
    Some(low + (high - low) * (rank - below as f64))
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

    #[test]
    fn what_is_no_number_is_refused() {
        let series = BTreeMap::from([("a".to_owned(), vec![Some(f64::NAN)])]);
        assert!(run(Args { series, edges: Vec::new() }).is_err());
    }
}
