//! Statistics of samples; `tasks/metrics.py` is the specification.

#![forbid(unsafe_code)]

mod histogram;
mod sum;

abi::module!(aggregate);
