//! Cuts a request that the receiver finds too large.

use prost::Message;
use siphon_core::remote_write::{
    MAX_BODY_BYTES, Request,
    v1::{TimeSeries, WriteRequest, decode},
};

/// The first and the second half of the series, or of the only series' samples; `None` if there is but one sample.
pub(super) fn halves(request: &Request) -> Option<(Request, Request)> {
    let WriteRequest { timeseries, .. } = decode(&request.body, MAX_BODY_BYTES).ok()?;
    let (first, second) = match <[TimeSeries; 1]>::try_from(timeseries) {
        Ok([one]) => {
            let (first, second) = cut(one)?;
            (vec![first], vec![second])
        }
        Err(mut several) => {
            let second = several.split_off(several.len() / 2);
            (several, second)
        }
    };
    Some((pack(first)?, pack(second)?))
}

/// Halves a series in time. Exemplars go with the first half.
fn cut(mut first: TimeSeries) -> Option<(TimeSeries, TimeSeries)> {
    let middle = |n: usize| if n > 1 { n / 2 } else { n };
    let second = TimeSeries {
        labels: first.labels.clone(),
        samples: first.samples.split_off(middle(first.samples.len())),
        exemplars: Vec::new(),
        histograms: first.histograms.split_off(middle(first.histograms.len())),
    };
    (!second.samples.is_empty() || !second.histograms.is_empty()).then_some((first, second))
}

fn pack(timeseries: Vec<TimeSeries>) -> Option<Request> {
    let series = timeseries.len();
    let samples = timeseries.iter().map(|one| one.samples.len() + one.histograms.len()).sum();
    let message = WriteRequest { timeseries, metadata: Vec::new() }.encode_to_vec();
    let body = snap::raw::Encoder::new().compress_vec(&message).ok()?;
    Some(Request { body, series, samples })
}

#[cfg(test)]
mod tests {
    use siphon_core::{
        remote_write::{Limits, Packer},
        series::{Batch, LabelSets, NAME},
        units::UnixMillis,
    };

    use super::*;

    fn request(series: usize, samples: i64) -> Request {
        let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
        for n in 0..series {
            let id = sets.id([(NAME, format!("metric_{n}"))].into_iter().collect());
            (0..samples).for_each(|at| batch.push(id, UnixMillis(at), 1.0));
        }
        Packer::new(&Limits::default()).requests(&mut batch, &sets).0.remove(0)
    }

    fn times(request: &Request) -> Vec<i64> {
        let message = decode(&request.body, MAX_BODY_BYTES).unwrap();
        message.timeseries.iter().flat_map(|one| &one.samples).map(|sample| sample.timestamp).collect()
    }

    #[test]
    fn many_series_are_parted() {
        let (first, second) = halves(&request(5, 1)).unwrap();
        assert_eq!((first.series, second.series, first.samples, second.samples), (2, 3, 2, 3));
        assert_eq!((times(&first).len(), times(&second).len()), (2, 3));
    }

    #[test]
    fn one_series_is_cut_in_time_and_one_sample_not_at_all() {
        let (first, second) = halves(&request(1, 5)).unwrap();
        assert_eq!((times(&first), times(&second)), (vec![0, 1], vec![2, 3, 4]));
        assert!(halves(&request(1, 1)).is_none());
    }
}
