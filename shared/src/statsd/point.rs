//! What a series is at a flush: a point of OTLP.

use prost::Message;

use crate::otlp::{
    ExponentialHistogramPoint, HistogramPoint, KeyValue, NO_RECORDED_VALUE, NumberPoint, NumberValue,
    SummaryPoint,
};

/// A point of any kind.
pub(super) enum Point {
    Number(NumberPoint),
    Histogram(HistogramPoint),
    Native(ExponentialHistogramPoint),
    Summary(SummaryPoint),
}

impl Point {
    pub(super) fn number(value: f64, attributes: Vec<KeyValue>) -> Self {
        let value = Some(NumberValue::Double(value));
        Self::Number(NumberPoint { value, attributes, ..NumberPoint::default() })
    }

    /// Sets what all kinds have.
    pub(super) const fn stamp(&mut self, start_ns: u64, time_ns: u64, has_ended: bool) {
        let (start, time, flags) = match self {
            Self::Number(p) => (&mut p.start_time_unix_nano, &mut p.time_unix_nano, &mut p.flags),
            Self::Histogram(p) => (&mut p.start_time_unix_nano, &mut p.time_unix_nano, &mut p.flags),
            Self::Native(p) => (&mut p.start_time_unix_nano, &mut p.time_unix_nano, &mut p.flags),
            Self::Summary(p) => (&mut p.start_time_unix_nano, &mut p.time_unix_nano, &mut p.flags),
        };
        (*start, *time) = (start_ns, time_ns);
        *flags = if has_ended { NO_RECORDED_VALUE } else { 0 };
    }

    pub(super) fn encoded_len(&self) -> usize {
        match self {
            Self::Number(point) => point.encoded_len(),
            Self::Histogram(point) => point.encoded_len(),
            Self::Native(point) => point.encoded_len(),
            Self::Summary(point) => point.encoded_len(),
        }
    }
}
