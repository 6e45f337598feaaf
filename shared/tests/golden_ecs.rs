//! ECS readings against what ADOT recorded for them: equal series by series, but for the deviations that are computed
//! here by rule from the same readings.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers may panic")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use siphon_core::{
    ecs::{MetricFilter, Options, Translator},
    series::{LabelSets, Series},
    units::UnixMillis,
    wire::Reading,
};

const CASES: [&str; 8] = [
    "cgroup-v2",
    "ec2-bridge-no-limits",
    "fargate",
    "first-read",
    "image-names",
    "short-cluster-pause",
    "sparse-stats",
    "stopped-container",
];

/// This recording began one poll early: its first answer is to a reading that is not in the folder, the second and third
/// are to `stats-0` and `stats-1`, and `stats-2` has none. Its counters show that.
const LAGGING: &str = "cgroup-v2";

/// Metrics that ADOT doesn't have, and nothing is recorded of.
const BEYOND_ADOT: [&str; 5] = [
    "container_restarts_total",
    "container_exit_code",
    "container_health_status",
    "ecs_task_clock_drift_error_bound_Seconds",
    "ecs_task_clock_drift_synchronized",
];

const AT: UnixMillis = UnixMillis(1_795_400_000_000);

type Labels = BTreeMap<String, String>;

struct Poll {
    task: Value,
    stats: Value,
    reading: Reading,
    recorded: BTreeMap<Labels, f64>,
}

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden/ecs").join(case)
}

fn polls(case: &str) -> Vec<Poll> {
    let read = |file: &str| fs::read(folder(case).join(file)).unwrap();
    let expected: Vec<Value> = serde_json::from_slice(&read("expected.json")).unwrap();
    let skipped = if case == LAGGING { 1 } else { 0 };
    let poll = |(index, expected): (usize, Value)| {
        let (task, stats) = (read("task.json"), read(&format!("stats-{index}.json")));
        Poll {
            task: serde_json::from_slice(&task).unwrap(),
            stats: serde_json::from_slice(&stats).unwrap(),
            reading: Reading { task: task.into(), stats: stats.into() },
            recorded: expected.as_array().unwrap().iter().map(recorded).collect(),
        }
    };
    expected.into_iter().skip(skipped).enumerate().map(poll).collect()
}

fn recorded(series: &Value) -> (Labels, f64) {
    (serde_json::from_value(series["labels"].clone()).unwrap(), series["value"].as_f64().unwrap())
}

/// Labels and value of each series of a reading, in order.
fn translate(reading: &Reading, options: &Options) -> Vec<(Labels, f64)> {
    let mut sets = LabelSets::default();
    let mut batch = Translator::new(options).translate(reading, AT, &mut sets).unwrap().batch;
    let one = |series: Series<'_>| {
        let sample = series.samples[0].1;
        assert_eq!((series.samples.len(), sample.at), (1, AT));
        let labels = sets.get(series.id).unwrap().iter();
        (labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), sample.value)
    };
    batch.by_series().map(one).collect()
}

/// Those of ADOT's metrics.
fn ours(reading: &Reading, options: &Options) -> BTreeMap<Labels, f64> {
    let series = translate(reading, options);
    let mut ours: BTreeMap<_, _> = series.iter().cloned().collect();
    assert_eq!(ours.len(), series.len(), "each label set once");
    ours.retain(|labels, _| !BEYOND_ADOT.contains(&labels["__name__"].as_str()));
    ours
}

fn all() -> Options {
    Options { filter: MetricFilter::All, suffixes: true }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// Where Siphon is right and ADOT is not: the value that a series must have in place of the recorded one, by metric
/// name and (for a container's) container id.
fn deviations(poll: &Poll) -> BTreeMap<(String, Option<String>), f64> {
    let containers: Vec<(&str, &Value)> = poll.task["Containers"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|c| c["DockerId"].as_str())
        .map(|id| (id, &poll.stats[id]))
        .filter(|(_, stats)| stats["id"].is_string())
        .collect();
    let mut right = BTreeMap::new();
    let mut replace = |name: &str, unit: &str, by_container: &dyn Fn(&Value) -> Option<u64>| {
        let values: Vec<_> =
            containers.iter().filter_map(|(id, s)| Some((*id, by_container(s)? as f64))).collect();
        for (id, value) in &values {
            right.insert((format!("container_{name}_{unit}"), Some((*id).to_owned())), *value);
        }
        if !values.is_empty() {
            right.insert((format!("ecs_task_{name}_{unit}"), None), values.iter().map(|(_, v)| v).sum());
        }
    };
    replace("memory_utilized", "MiB", &memory_without_inactive_file);
    replace("storage_read_bytes", "Bytes", &|stats| lower_case_storage(stats, "read"));
    replace("storage_write_bytes", "Bytes", &|stats| lower_case_storage(stats, "write"));
    if poll.task["Containers"][0]["Networks"][0]["NetworkMode"] == "awsvpc" {
        right.extend(network_once(&containers));
    }
    right
}

/// cgroup v2 has no `cache`: `inactive_file` is subtracted.
fn memory_without_inactive_file(stats: &Value) -> Option<u64> {
    let memory = &stats["memory_stats"];
    let detail = memory["stats"].as_object().filter(|detail| !detail.contains_key("cache"))?;
    Some((memory["usage"].as_u64()? - detail["inactive_file"].as_u64()?) / (1 << 20))
}

/// cgroup v2 spells operations in lower case: they count.
fn lower_case_storage(stats: &Value, op: &str) -> Option<u64> {
    let entries = stats["blkio_stats"]["io_service_bytes_recursive"].as_array()?;
    entries.iter().find(|entry| entry["op"] == op)?["value"].as_u64()
}

/// All containers of an `awsvpc` task see one interface: the first that has stats of it counts.
fn network_once(containers: &[(&str, &Value)]) -> BTreeMap<(String, Option<String>), f64> {
    let mut once = BTreeMap::new();
    let first = |part: &str| containers.iter().map(|(_, s)| &s[part]).find(|stats| stats.is_object());
    for direction in ["rx", "tx"] {
        let rate = first("network_rate_stats")
            .map_or(0.0, |r| r[format!("{direction}_bytes_per_sec")].as_f64().unwrap());
        once.insert((format!("ecs_task_network_rate_{direction}_Bytes_per_Second"), None), rate);
        for (counter, unit) in
            [("bytes", "Bytes"), ("packets", "Count"), ("errors", "Count"), ("dropped", "Count")]
        {
            let interfaces = first("networks").and_then(Value::as_object);
            let sum = |i: &serde_json::Map<String, Value>| {
                i.values().map(|i| i[format!("{direction}_{counter}")].as_u64().unwrap()).sum::<u64>()
            };
            let name = format!("ecs_task_network_io_usage_{direction}_{counter}_{unit}");
            once.insert((name, None), interfaces.map_or(0, sum) as f64);
        }
    }
    once
}

#[test]
fn every_poll_of_every_case_is_equal() {
    for case in CASES {
        for (index, poll) in polls(case).into_iter().enumerate() {
            let ours = ours(&poll.reading, &all());
            let ids = |series: &BTreeMap<Labels, f64>| series.keys().cloned().collect::<Vec<_>>();
            assert_eq!(ids(&ours), ids(&poll.recorded), "{case} poll {index}: label sets");
            let right = deviations(&poll);
            for (labels, recorded) in &poll.recorded {
                let key = (labels["__name__"].clone(), labels.get("container_id").cloned());
                let want = right.get(&key).copied().unwrap_or(*recorded);
                assert!(
                    close(ours[labels], want),
                    "{case} poll {index} {key:?}: {} not {want}",
                    ours[labels]
                );
            }
        }
    }
}

#[test]
fn the_lagging_recording_lags_by_one_poll() {
    let total = |stats: &Value| {
        stats["158d1c8083dd49d6b527399fd6414f5c-2495160603"]["cpu_stats"]["cpu_usage"]["total_usage"].as_f64()
    };
    let recorded = |expected: &Value| {
        let of_first = |s: &&Value| {
            s["labels"]["__name__"] == "container_cpu_usage_total_Nanoseconds"
                && s["labels"]["container_name"] == "checkout"
        };
        expected.as_array().unwrap().iter().find(of_first).unwrap()["value"].as_f64()
    };
    let read =
        |file: &str| serde_json::from_slice::<Value>(&fs::read(folder(LAGGING).join(file)).unwrap()).unwrap();
    let expected = read("expected.json");
    assert_eq!(recorded(&expected[1]), total(&read("stats-0.json")));
    assert_eq!(recorded(&expected[2]), total(&read("stats-1.json")));
    let first = recorded(&expected[0]);
    assert!(
        (0..3).all(|n| total(&read(&format!("stats-{n}.json"))) != first),
        "the first answer has no reading"
    );
    for n in 0..3 {
        let reading = Reading {
            task: fs::read(folder(LAGGING).join("task.json")).unwrap().into(),
            stats: fs::read(folder(LAGGING).join(format!("stats-{n}.json"))).unwrap().into(),
        };
        let ours = ours(&reading, &all());
        let labels: Vec<_> = expected[n].as_array().unwrap().iter().map(|s| self::recorded(s).0).collect();
        assert_eq!(
            ours.into_keys().collect::<std::collections::BTreeSet<_>>(),
            labels.into_iter().collect(),
            "labels of {n}"
        );
    }
}

/// The deviations really are ones, and there are no more than we tell.
#[test]
fn where_we_differ_adot_is_wrong_in_the_way_we_say() {
    for (case, containers, want) in [
        ("cgroup-v2", 2.0, 16), // memory and storage of two containers and the task, and as the others
        ("ec2-bridge-no-limits", 2.0, 5), // in spite of its name its task.json says awsvpc; it has no rates
        ("fargate", 2.0, 7),    // network: bytes, packets, rates, dropped rx; the others are 0
        ("first-read", 2.0, 7),
        ("image-names", 2.0, 7),
        ("short-cluster-pause", 2.0, 7),
        ("sparse-stats", 1.0, 0),
        ("stopped-container", 1.0, 0),
    ] {
        for poll in polls(case) {
            let right = deviations(&poll);
            let differing = poll.recorded.iter().filter(|(labels, recorded)| {
                let key = (labels["__name__"].clone(), labels.get("container_id").cloned());
                let Some(right) = right.get(&key) else { return false };
                if key.0.contains("_network_") {
                    assert!(close(**recorded, right * containers), "{case}: ADOT adds up {key:?}");
                }
                if key.0.contains("_storage_") {
                    assert_eq!(**recorded, 0.0, "{case}: ADOT misses {key:?}");
                }
                !close(**recorded, *right)
            });
            assert_eq!(differing.count(), want, "{case}");
        }
    }
}

#[test]
fn the_default_is_what_adots_filter_lets_through() {
    let names = |case: &str| {
        let series = translate(&polls(case)[0].reading, &Options::default());
        series.iter().map(|(labels, _)| labels["__name__"].clone()).collect::<Vec<_>>()
    };
    let task = [
        "ecs_task_memory_utilized_MiB",
        "ecs_task_memory_reserved_MiB",
        "ecs_task_cpu_utilized_None",
        "ecs_task_cpu_reserved_None",
        "ecs_task_network_rate_rx_Bytes_per_Second",
        "ecs_task_network_rate_tx_Bytes_per_Second",
        "ecs_task_storage_read_bytes_Bytes",
        "ecs_task_storage_write_bytes_Bytes",
    ];
    assert_eq!(names("fargate"), task);
    assert_eq!(names("stopped-container"), [&["container_duration_Seconds"], &task[..]].concat());
}

#[test]
fn the_public_dashboard_finds_its_series_without_suffixes() {
    let filter = "ecs.task.cpu.reserved,ecs.task.cpu.utilized,ecs.task.cpu.usage.vcpu,ecs.task.memory.usage,\
                  ecs.task.memory.utilized,ecs.task.memory.reserved,ecs.task.network.rate.rx,ecs.task.network.rate.tx";
    let options = Options { filter: filter.parse().unwrap(), suffixes: false };
    let series = translate(&polls("fargate")[0].reading, &options);
    let mut names: Vec<_> = series.iter().map(|(labels, _)| &labels["__name__"]).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "ecs_task_cpu_reserved",
            "ecs_task_cpu_usage_vcpu",
            "ecs_task_cpu_utilized",
            "ecs_task_memory_reserved",
            "ecs_task_memory_usage",
            "ecs_task_memory_utilized",
            "ecs_task_network_rate_rx",
            "ecs_task_network_rate_tx",
        ]
    );
    for label in ["aws_ecs_task_id", "aws_ecs_task_family"] {
        assert!(series.iter().all(|(labels, _)| labels.contains_key(label)), "{label}");
    }
}

#[test]
fn one_containers_bad_stats_cost_neither_the_other_nor_the_task() {
    let poll = polls("fargate").remove(0);
    let (bad, good) =
        ("158d1c8083dd49d6b527399fd6414f5c-2495160603", "158d1c8083dd49d6b527399fd6414f5c-1275486930");
    for nonsense in ["{\"id\":\"x\",\"memory_stats\":{\"usage\":-1}}", "\"gone\"", "[1]", "7", "null"] {
        let mut stats = poll.stats.clone();
        stats[bad] = serde_json::from_str(nonsense).unwrap();
        let reading = Reading { stats: stats.to_string().into(), ..poll.reading.clone() };
        let series = ours(&reading, &all());
        let of = |id: &str| series.keys().filter(|l| l.get("container_id").is_some_and(|c| c == id)).count();
        assert_eq!((of(bad), of(good), series.len()), (0, 26, 54), "{nonsense}");
        let rate = series
            .iter()
            .find(|(l, _)| l["__name__"] == "ecs_task_network_rate_rx_Bytes_per_Second")
            .unwrap();
        assert_eq!(*rate.1, poll.stats[good]["network_rate_stats"]["rx_bytes_per_sec"].as_f64().unwrap());
    }
}

#[test]
fn differences_below_zero_are_zero() {
    let poll = polls("fargate").remove(0);
    let mut stats = poll.stats.clone();
    for (_, one) in stats.as_object_mut().unwrap() {
        one["memory_stats"]["stats"]["cache"] = u64::MAX.into();
        one["precpu_stats"]["cpu_usage"]["total_usage"] = u64::MAX.into();
    }
    let reading = Reading { stats: stats.to_string().into(), ..poll.reading };
    let series = ours(&reading, &all());
    for name in ["memory_utilized_MiB", "cpu_usage_vcpu_vCPU", "cpu_utilized_None"] {
        let values: Vec<_> =
            series.iter().filter(|(l, _)| l["__name__"].ends_with(name)).map(|(_, v)| *v).collect();
        assert_eq!(values, [0.0, 0.0, 0.0], "{name}");
    }
}

#[test]
fn the_worked_example_of_a_task_in_bridge_mode() {
    let task = br#"{"TaskARN":"arn:aws:ecs:eu-west-1:111122223333:task/shop/0a1b2c3d4e5f","Limits":{"CPU":0.5,"Memory":1024},
     "Containers":[
      {"DockerId":"d-app","Name":"app","Image":"registry.example.com:5000/shop/app:2.1","Limits":{"CPU":256,"Memory":512}},
      {"DockerId":"d-side","Name":"sidecar","Limits":{"CPU":2}},
      {"DockerId":"d-init","Name":"migrate","ExitCode":0,
       "StartedAt":"2025-01-05T10:00:10.5Z","FinishedAt":"2025-01-05T10:00:40.75Z"}]}"#;
    let stats = br#"{"d-app":{"id":"d-app","read":"2025-01-05T10:05:01Z","preread":"2025-01-05T10:05:00Z",
       "memory_stats":{"usage":157286400,"limit":536870912,"stats":{"cache":20971520}},
       "cpu_stats":{"cpu_usage":{"total_usage":9125000000},"online_cpus":2},
       "precpu_stats":{"cpu_usage":{"total_usage":9000000000}},
       "network_rate_stats":{"rx_bytes_per_sec":1500.5,"tx_bytes_per_sec":800},
       "blkio_stats":{"io_service_bytes_recursive":[{"op":"Read","value":4096},{"op":"Write","value":8192},{"op":"Total","value":12288}]}},
     "d-side":{"id":"d-side","read":"2025-01-05T10:05:01Z","preread":"2025-01-05T10:05:00Z",
       "memory_stats":{"usage":73400320,"stats":{"file":1000}},
       "cpu_stats":{"cpu_usage":{"total_usage":105000000}},"precpu_stats":{"cpu_usage":{"total_usage":100000000}}},
     "d-init":null}"#;
    let reading = Reading { task: task.as_slice().into(), stats: stats.as_slice().into() };
    let series = ours(&reading, &all());
    let value = |name: &str, container: Option<&str>| {
        let matches =
            |l: &&Labels| l["__name__"] == name && l.get("container_name").map(String::as_str) == container;
        series[series.keys().find(matches).unwrap_or_else(|| panic!("{name}"))]
    };
    for (name, container, want) in [
        ("ecs_task_memory_utilized_MiB", None, 200.0),
        ("ecs_task_memory_reserved_MiB", None, 1024.0),
        ("ecs_task_cpu_reserved_None", None, 512.0),
        ("ecs_task_cpu_utilized_None", None, 133.12),
        ("ecs_task_network_rate_rx_Bytes_per_Second", None, 1500.5),
        ("ecs_task_network_rate_tx_Bytes_per_Second", None, 800.0),
        ("ecs_task_storage_read_bytes_Bytes", None, 4096.0),
        ("ecs_task_storage_write_bytes_Bytes", None, 8192.0),
        ("ecs_task_ephemeral_storage_reserved_MiB", None, 0.0),
        ("container_duration_Seconds", Some("migrate"), 30.25),
        ("container_cpu_utilized_None", Some("app"), 0.048_828_125),
        ("container_cpu_utilized_None", Some("sidecar"), 0.25),
    ] {
        assert!(close(value(name, container), want), "{name}: {} not {want}", value(name, container));
    }
}
