//! OTLP metrics to series.

pub(crate) mod names;
