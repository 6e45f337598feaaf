//! Walks through requests, resource by resource, and counts what is left out.

use std::sync::Arc;

use super::{
    Options, Translation,
    known::{KnownResources, MetricKey},
    part::{Part, Progress, Rest},
    points::{self, at},
};
use crate::{
    ecs::Identity,
    otlp::{
        check::{self, Fault},
        view::{Metric, MetricsRequest, ResourceMetrics, ScopeMetrics},
    },
    protobuf::read::{Fields, Malformed},
    series::{LabelSets, Metadata, MetricKind},
};

/// Translates requests.
///
/// It borrows them, and knows again what it has seen in them: the labels of a resource, a scope and a series are made
/// once, not once for each point.
pub struct Translator<'a> {
    options: &'a Options,
    identity: Option<&'a Identity>,
    known: KnownResources<'a>,
    target_metadata: Arc<Metadata>,
}

impl<'a> Translator<'a> {
    /// Resources get the attributes of `identity`, in place of their own of the same keys.
    #[must_use]
    pub fn new(options: &'a Options, identity: Option<&'a Identity>) -> Self {
        let help = "Target metadata".to_owned();
        let target_metadata = Arc::new(Metadata { kind: MetricKind::Gauge, help, ..Metadata::default() });
        Self { options, identity, known: KnownResources::default(), target_metadata }
    }

    /// Translates an `ExportMetricsServiceRequest`. A point that can't be translated is counted and costs no other.
    ///
    /// Times are the points' own, in whole milliseconds. A point flagged "no recorded value" becomes stale markers. Label
    /// sets go into `sets`: give the same one every time.
    ///
    /// # Errors
    /// [`Fault`] if the bytes are no such request: nothing of it is translated. What a later field replaces is not read,
    /// so a fault in it is not found here; [`check::metrics`] finds it.
    pub fn translate(&mut self, request: &'a [u8], sets: &mut LabelSets) -> Result<Translation, Fault> {
        Ok(self.translate_part(request, Rest::default(), usize::MAX, sets)?.0)
    }

    /// Translates the points of a request from `rest` on, as [`Self::translate`] does, until the labels of their samples
    /// come to `max_bytes`. Gives what is left to translate then: the points of a resource all repeat its labels, so that a
    /// small request may make very much. The same request always gives the same parts.
    ///
    /// # Errors
    /// [`Fault`] if the bytes are no such request: nothing of it is translated.
    pub fn translate_part(
        &mut self,
        request: &'a [u8],
        rest: Rest,
        max_bytes: usize,
        sets: &mut LabelSets,
    ) -> Result<(Translation, Option<Rest>), Fault> {
        let mut part = Part::new(rest, max_bytes);
        match self.request(request, sets, &mut part) {
            Ok(Progress::Done) => Ok((part.out, None)),
            Ok(Progress::Cut) => {
                check::metrics(request)?; // before anything of it is sent
                Ok((part.out, Some(Rest { points: part.seen, newest_ns: part.newest_ns })))
            }
            Err(malformed) => Err(check::metrics(request).err().unwrap_or(malformed.into())), // says in which field
        }
    }

    fn request(
        &mut self,
        request: &'a [u8],
        sets: &mut LabelSets,
        part: &mut Part,
    ) -> Result<Progress, Malformed> {
        let mut resource_metrics = MetricsRequest::read(Fields::of(request))?.resource_metrics;
        while let Some(fields) = resource_metrics.next()? {
            if self.resource(ResourceMetrics::read(fields)?, sets, part)? == Progress::Cut {
                return Ok(Progress::Cut);
            }
        }
        Ok(Progress::Done)
    }

    fn resource(
        &mut self,
        mut metrics: ResourceMetrics<'a>,
        sets: &mut LabelSets,
        part: &mut Part,
    ) -> Result<Progress, Malformed> {
        let resource = self.known.of(metrics.resource, self.identity, &self.options.resource_labels)?;
        while let Some(fields) = metrics.scope_metrics.next()? {
            let mut scope_metrics = ScopeMetrics::read(fields)?;
            let scope = resource.scope(scope_metrics.scope)?;
            while let Some(fields) = scope_metrics.metrics.next()? {
                let Metric { name, description, unit, data } = Metric::read(fields)?;
                let Some(data) = data else { continue };
                let metric = MetricKey { name, unit, kind: data.kind, monotonic: data.monotonic };
                let series = scope.metric(metric, description, self.options.suffixes);
                if points::translate(data, series, sets, part)? == Progress::Cut {
                    return Ok(Progress::Cut);
                }
            }
        }
        // None where no point has a time, or all are of earlier parts.
        let newest_ns = part.end_resource();
        if let Some(target_info) = resource.labels.target_info.as_ref().filter(|_| newest_ns > 0) {
            part.out.batch.push(sets.id_of(target_info.clone(), &self.target_metadata), at(newest_ns), 1.0);
        }
        Ok(Progress::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use prost::Message;

    use super::{
        super::testing::{gauge, point, request, shown, shown_bytes, shown_translation},
        *,
    };
    use crate::otlp::{
        self,
        check::testing::{Draw, rearranged_metrics},
    };

    fn golden_requests() -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden/metrics");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|e| e == "pb"))
            .map(|path| fs::read(path).unwrap())
            .collect()
    }

    /// However the fields lie, the request means what decoding its messages gives.
    #[test]
    fn what_is_read_in_place_is_what_decoding_reads() {
        let requests = golden_requests();
        assert_eq!(requests.len(), 61);
        for (request, seed) in requests.iter().cycle().zip(0..1_500) {
            let bytes = rearranged_metrics(request, &mut Draw(seed));
            let decoded = otlp::MetricsRequest::decode(bytes.as_slice()).unwrap();
            assert_eq!(shown_bytes(&bytes), shown(&decoded), "{seed}: {}", hex::encode(&bytes));
        }
    }

    #[test]
    fn a_request_that_is_none_says_where_and_leaves_nothing_behind() {
        let request = golden_requests().into_iter().max_by_key(Vec::len).unwrap();
        let (mut sets, options) = (LabelSets::default(), Options::default());
        let mut translator = Translator::new(&options, None);
        for end in 0..request.len() {
            let cut = &request[..end];
            let fault = translator.translate(cut, &mut sets).err();
            assert_eq!(fault, check::metrics(cut).err(), "{end}");
        }
    }

    #[test]
    fn parts_make_what_the_whole_makes() {
        let options = Options::default();
        for request in golden_requests() {
            for max_bytes in [1, 300, 3_000] {
                let (mut sets, mut whole) = (LabelSets::default(), Translation::default());
                let mut translator = Translator::new(&options, None);
                let (mut rest, mut parts) = (Some(Rest::default()), 0);
                while let Some(from) = rest {
                    let (part, left) =
                        translator.translate_part(&request, from, max_bytes, &mut sets).unwrap();
                    assert_ne!(left, rest, "each brings it forward");
                    part.dropped.iter().for_each(|drop| whole.count_drop(drop.reason, drop.points));
                    whole.batch.append(part.batch);
                    (rest, parts) = (left, parts + 1);
                }
                let samples = whole.batch.samples();
                assert!(samples < 30 || max_bytes > 300 || parts > 2, "{parts} parts of {samples} samples");
                assert_eq!(shown_translation(whole, &sets), shown_bytes(&request));
            }
        }
    }

    #[test]
    fn a_faulty_request_is_no_good_in_parts_either() {
        let points = vec![point(&[("a", "1")]), point(&[("a", "2")])];
        let mut bytes = request(&[], None, vec![gauge(points)]).encode_to_vec();
        bytes.extend([0x0a, 2, 0x12, 9]); // another resource's metrics, cut off
        let mut sets = LabelSets::default();
        let options = Options::default();
        let part = Translator::new(&options, None).translate_part(&bytes, Rest::default(), 1, &mut sets);
        assert_eq!(part.err(), check::metrics(&bytes).err());
    }

    #[test]
    fn a_label_set_is_one_series_whatever_bytes_it_comes_from() {
        let (mut sets, options) = (LabelSets::default(), Options::default());
        let mut translator = Translator::new(&options, None);
        let mut translate = |bytes| translator.translate(bytes, &mut sets).unwrap().batch;
        let attributes = [("a", "1"), ("b", "2")];
        let given = |resource: &[_], own: &[_]| {
            request(resource, None, vec![gauge(vec![point(own)])]).encode_to_vec()
        };
        let once = given(&attributes, &[]);
        let others = [
            given(&[attributes[1], attributes[0]], &[]),
            given(&[], &attributes),
            given(&attributes[..1], &attributes),
        ];
        let mut batch = translate(&once);
        batch.append(translate(&once));
        others.iter().for_each(|other| batch.append(translate(other)));
        assert_eq!(batch.by_series().map(|series| series.samples.len()).collect::<Vec<_>>(), [5]);
    }
}
