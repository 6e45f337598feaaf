//! ECS metrics by task family: the sum over its tasks, on a common grid of seconds.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use siphon_core::series::Sample;

use crate::store::{CHARTED, TaskSeries};

/// Seconds that the charts show.
const SPAN_S: i64 = 300;
/// A task without a sample for so long is gone from the sum.
const CARRIED_S: i64 = 10;

/// `{ "from": s, "step": 1, "families": { name: { metric: [value or null, …] } } }`, one value a second.
pub(super) fn by_family(tasks: Vec<(String, TaskSeries)>) -> Value {
    let newest = tasks
        .iter()
        .flat_map(|(_, series)| series.values())
        .filter_map(|points| points.back())
        .map(|sample| sample.at.0 / 1000)
        .max();
    let Some(newest) = newest else { return json!({ "from": 0, "families": {} }) };
    let oldest = tasks
        .iter()
        .flat_map(|(_, series)| series.values())
        .filter_map(|points| points.front())
        .map(|sample| sample.at.0 / 1000)
        .min()
        .unwrap_or(newest);
    let from = oldest.max(newest - SPAN_S);
    let mut families: BTreeMap<String, BTreeMap<&str, Vec<Option<f64>>>> = BTreeMap::new();
    for (family, series) in tasks {
        let metrics = families.entry(family).or_default();
        for metric in CHARTED {
            let Some(points) = series.get(metric) else { continue };
            let sums = metrics.entry(metric).or_default();
            add(sums, &on_grid(points, from, newest));
        }
    }
    json!({ "from": from, "families": families })
}

/// The latest value at each second, carried for a while.
fn on_grid(points: &VecDeque<Sample>, from: i64, to: i64) -> Vec<Option<f64>> {
    let mut points = points.iter().peekable();
    let mut latest: Option<(i64, f64)> = None;
    (from..=to)
        .map(|second| {
            while let Some(sample) = points.next_if(|sample| sample.at.0 / 1000 <= second) {
                latest = Some((sample.at.0 / 1000, sample.value)).filter(|(_, value)| value.is_finite());
            }
            latest.filter(|(at, _)| second - at <= CARRIED_S).map(|(_, value)| value)
        })
        .collect()
}

fn add(sums: &mut Vec<Option<f64>>, values: &[Option<f64>]) {
    if sums.is_empty() {
        sums.extend(values);
        return;
    }
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = match (*sum, *value) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
    }
}

#[cfg(test)]
mod tests {
    use siphon_core::units::UnixMillis;

    use super::*;

    fn task(samples: &[(i64, f64)]) -> TaskSeries {
        let points = samples.iter().map(|(s, value)| Sample::new(UnixMillis(s * 1000 + 7), *value));
        BTreeMap::from([("ecs_task_cpu_utilized", points.collect())])
    }

    #[test]
    fn tasks_of_a_family_are_added_up() {
        let chart = by_family(vec![
            ("a".into(), task(&[(100, 1.0), (102, 3.0)])),
            ("a".into(), task(&[(101, 10.0)])),
            ("b".into(), task(&[(102, 5.0)])),
        ]);
        assert_eq!(chart["from"], 100);
        assert_eq!(chart["families"]["a"]["ecs_task_cpu_utilized"], json!([1.0, 11.0, 13.0]));
        assert_eq!(chart["families"]["b"]["ecs_task_cpu_utilized"], json!([null, null, 5.0]));
    }

    #[test]
    fn a_silent_task_leaves_the_sum() {
        let chart = by_family(vec![("a".into(), task(&[(0, 1.0)])), ("b".into(), task(&[(20, 1.0)]))]);
        let values = chart["families"]["a"]["ecs_task_cpu_utilized"].as_array().unwrap().clone();
        assert_eq!((values.len(), &values[10], &values[11]), (21, &json!(1.0), &Value::Null));
        assert_eq!(by_family(Vec::new())["families"], json!({}));
    }
}
