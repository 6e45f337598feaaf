//! What the receivers have in the end.

use std::collections::{BTreeMap, BTreeSet};

use siphon_core::series::STALE;
use siphon_local::receivers::Receivers;
use siphon_tests::prometheus::Prometheus;

use crate::{
    sender::{Sent, now},
    view::Sample,
    world::World,
};

/// Strict receivers' reason to refuse poison.
const POISON: &str = "sample: new_value_for_timestamp";

#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// Bits by task, key and time. Markers of a series' end are left out.
    pub(crate) samples: BTreeMap<(String, String), BTreeMap<i64, u64>>,
    /// Ids of segments.
    pub(crate) spans: BTreeSet<String>,
    /// Samples of readings, by task and time.
    readings: BTreeMap<String, BTreeMap<i64, u64>>,
    /// Series by task, and the samples in them.
    all: BTreeMap<String, (u64, u64)>,
    /// Markers are among all samples.
    has_markers: bool,
    /// What strict receivers have refused, though it was good.
    pub(crate) refused: Vec<String>,
}

impl Stored {
    /// What is with the strict receivers.
    pub(crate) fn strict(receivers: &Receivers) -> Self {
        let mut stored = Self { has_markers: true, ..Self::traces(receivers) };
        for series in receivers.series() {
            stored.add(|label| series.labels.get(label).cloned(), series.points.into_iter());
        }
        let refused = receivers.refusals().into_iter().filter(|(reason, _)| reason != POISON);
        stored.refused = refused.map(|(reason, n)| format!("{n} refused, {reason}")).collect();
        stored
    }

    /// The traces are with the strict receivers, the metrics in a real Prometheus.
    pub(crate) fn real(world: &World, prometheus: &Prometheus) -> Self {
        let mut stored = Self::traces(world.backend.receivers());
        let tasks =
            world.places.iter().flat_map(|place| &place.lives).map(|life| format!("{:032x}", life.task));
        let tasks = tasks.collect::<Vec<_>>().join("|");
        let in_an_hour = now() / 1000 + 3600;
        for series in prometheus.query_at(&format!(r#"{{aws_ecs_task_id=~"{tasks}"}}[3h]"#), in_an_hour) {
            let points = series["values"].as_array().into_iter().flatten().map(|point| {
                let value: f64 = point[1].as_str().unwrap().parse().unwrap();
                (millis(&point[0].to_string()), value.to_bits())
            });
            stored.add(|label| series["metric"][label].as_str().map(str::to_owned), points);
        }
        stored
    }

    fn traces(receivers: &Receivers) -> Self {
        Self { spans: receivers.segments().into_keys().collect(), ..Self::default() }
    }

    /// Adds the points of a series of applications or of readings.
    fn add(&mut self, label: impl Fn(&str) -> Option<String>, points: impl Iterator<Item = (i64, u64)>) {
        let task = label("aws_ecs_task_arn").unwrap_or_default();
        let points: Vec<_> = points.collect();
        let (series, samples) = self.all.entry(task.clone()).or_default();
        (*series, *samples) = (*series + 1, *samples + points.len() as u64);
        let points = points.into_iter().filter(|(_, bits)| *bits != STALE.to_bits());
        if let Some(key) = label("key") {
            self.samples.entry((task, key)).or_default().extend(points);
        } else if label("__name__").is_some_and(|name| name.starts_with("ecs_task_")) {
            let readings = self.readings.entry(task).or_default();
            points.for_each(|(at, _)| *readings.entry(at).or_default() += 1);
        }
    }

    /// All samples of applications, each with its task's ARN.
    pub(crate) fn all_samples(&self) -> impl Iterator<Item = (String, Sample)> {
        self.samples.iter().flat_map(|((task, key), points)| {
            points.iter().map(|(at, bits)| (task.clone(), Sample { key: key.clone(), at: *at, bits: *bits }))
        })
    }

    /// Whether all of a request of `task` is here.
    pub(crate) fn has(&self, task: &str, sent: &Sent) -> bool {
        sent.samples.iter().all(|sample| self.has_sample(task, sample))
            && sent.spans.iter().all(|id| self.spans.contains(id))
    }

    pub(crate) fn has_sample(&self, task: &str, sample: &Sample) -> bool {
        let points = self.samples.get(&(task.to_owned(), sample.key.clone()));
        points.and_then(|points| points.get(&sample.at)) == Some(&sample.bits)
    }

    /// The latest value of the series with this key.
    pub(crate) fn latest(&self, task: &str, key: &str) -> Option<f64> {
        let points = self.samples.get(&(task.to_owned(), key.to_owned()))?;
        points.last_key_value().map(|(_, bits)| f64::from_bits(*bits))
    }

    pub(crate) fn has_reading(&self, task: &str, at: i64) -> bool {
        self.samples_of_reading(task, at) > 0
    }

    /// How many samples one reading of `task` became.
    pub(crate) fn samples_of_reading(&self, task: &str, at: i64) -> u64 {
        self.readings.get(task).and_then(|times| times.get(&at)).copied().unwrap_or(0)
    }

    /// How many series there are of `task`.
    pub(crate) fn series_of(&self, task: &str) -> u64 {
        self.all.get(task).map_or(0, |(series, _)| *series)
    }

    /// How many samples there are of `task`, with markers; `None` where the receiver does not show those.
    pub(crate) fn samples_of(&self, task: &str) -> Option<u64> {
        self.has_markers.then(|| self.all.get(task).map_or(0, |(_, samples)| *samples))
    }
}

/// Of a time in seconds, without the detour over a float.
fn millis(seconds: &str) -> i64 {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    format!("{whole}{fraction:0<3}").parse().unwrap()
}
