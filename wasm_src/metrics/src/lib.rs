//! The module `metrics`: statistics of samples. `tasks/metrics.py` is its specification.

#![forbid(unsafe_code)]

mod histogram;
mod sum;

abi::module!(aggregate);
