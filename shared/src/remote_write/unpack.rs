//! Requests back to what they were made of, to make others of it: in halves, or in another version.

use super::{MAX_BODY_BYTES, Request, Version, decode::DecodeError, v1, v2};
use crate::{
    series::{Batch, Exemplar, Label, LabelSets, Metadata, MetricKind, SeriesId, Start},
    units::UnixMillis,
};

impl Request {
    /// What the request holds.
    ///
    /// # Errors
    /// [`DecodeError`]: never of a request as [`super::Packer`] made it.
    pub fn unpack(&self) -> Result<(Batch, LabelSets), DecodeError> {
        let mut unpacked = Unpacked::default();
        match self.version {
            Version::V1 => unpacked.v1(v1::decode(&self.body, MAX_BODY_BYTES)?),
            Version::V2 => unpacked.v2(v2::decode(&self.body, MAX_BODY_BYTES)?),
        }
        Ok((unpacked.batch, unpacked.sets))
    }
}

#[derive(Default)]
struct Unpacked {
    batch: Batch,
    sets: LabelSets,
}

impl Unpacked {
    fn v1(&mut self, request: v1::WriteRequest) {
        for one in request.timeseries {
            let labels = one.labels.iter().map(|label| (&label.name, &label.value));
            let id = self.sets.id(labels.collect());
            for sample in one.samples {
                self.batch.push(id, UnixMillis(sample.timestamp), sample.value);
            }
            for exemplar in one.exemplars {
                let labels = exemplar.labels.into_iter();
                let labels = labels.map(|label| Label { name: label.name, value: label.value }).collect();
                self.exemplar(id, labels, exemplar.value, exemplar.timestamp);
            }
            self.histograms(id, one.histograms);
        }
    }

    fn v2(&mut self, mut request: v2::Request) {
        for one in std::mem::take(&mut request.timeseries) {
            let labels = |refs: &[u32]| request.labels(refs).unwrap_or_default();
            let text = |reference| request.symbol(reference).unwrap_or_default().to_owned();
            let metadata = one.metadata.map(|told| Metadata {
                kind: MetricKind::try_from(told.r#type).unwrap_or_default(),
                help: text(told.help_ref),
                unit: text(told.unit_ref),
            });
            let set = labels(&one.labels_refs).into_iter().collect();
            let id = match metadata {
                Some(metadata) => self.sets.id_of(set, &metadata.into()),
                None => self.sets.id(set),
            };
            for sample in one.samples {
                let start = Start::decoded(sample.start_timestamp);
                self.batch.push_since(id, start, UnixMillis(sample.timestamp), sample.value);
            }
            for exemplar in &one.exemplars {
                let labels = labels(&exemplar.labels_refs).into_iter();
                let owned = |(name, value): (&str, &str)| Label { name: name.into(), value: value.into() };
                self.exemplar(id, labels.map(owned).collect(), exemplar.value, exemplar.timestamp);
            }
            self.histograms(id, one.histograms);
        }
    }

    fn exemplar(&mut self, id: SeriesId, labels: Vec<Label>, value: f64, timestamp: i64) {
        self.batch.push_exemplar(id, Exemplar { labels, value, at: UnixMillis(timestamp) });
    }

    fn histograms(&mut self, id: SeriesId, histograms: Vec<v1::Histogram>) {
        histograms.into_iter().for_each(|histogram| self.batch.push_histogram(id, histogram.read()));
    }
}
