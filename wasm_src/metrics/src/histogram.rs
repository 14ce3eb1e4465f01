//! Histograms: counts of samples between edges.

use serde::Serialize;

#[derive(Debug, Serialize, PartialEq)]
pub struct Bucket {
    /// The upper bound, itself part of the bucket; none for the last bucket.
    le: Option<f64>,
    count: usize,
}

/// Default edges: 1, 2 and 5 times each power of ten from a thousandth to a hundred thousand.
pub fn default_edges() -> Vec<f64> {
    let decades = ["1e-3", "1e-2", "1e-1", "1e0", "1e1", "1e2", "1e3", "1e4"];
    let inner = decades
        .iter()
        .flat_map(|decade| [1, 2, 5].map(|digit| decade.replacen('1', &digit.to_string(), 1)));
    inner
        .chain(["1e5".to_owned()])
        .filter_map(|text| text.parse().ok())
        .collect()
}

/// Counts `sorted` samples in the buckets between rising `edges`, and in one bucket above the last edge.
pub fn count(sorted: &[f64], edges: &[f64]) -> Vec<Bucket> {
    let mut below = 0;
    let mut buckets: Vec<Bucket> = edges
        .iter()
        .map(|edge| {
            let until = sorted.partition_point(|sample| sample <= edge);
            let count = until - below;
            below = until;
            Bucket { le: Some(*edge), count }
        })
        .collect();
    buckets.push(Bucket {
        le: None,
        count: sorted.len() - below,
    });
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_belongs_to_the_bucket_below_it() {
        let counts: Vec<usize> = count(&[0.5, 1.0, 1.5, 9.0], &[1.0, 2.0])
            .iter()
            .map(|one| one.count)
            .collect();
        assert_eq!(counts, [2, 1, 1]);
    }

    #[test]
    fn the_default_edges_are_decades() {
        let edges = default_edges();
        assert_eq!(
            (edges.len(), edges[0], edges[1], edges[24]),
            (25, 0.001, 0.002, 100_000.0)
        );
    }
}
