//! ECS metrics that ADOT doesn't have, and what bad metadata cost.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers may panic")]

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};
use siphon_core::{
    ecs::{Options, Translator, reason},
    prometheus::Translation,
    series::{LabelSets, STALE},
    units::UnixMillis,
    wire::Reading,
};

const AT: UnixMillis = UnixMillis(1_795_400_000_000);

type Labels = BTreeMap<String, String>;

/// The answers of a Fargate task of two containers.
fn fargate() -> (Value, Value) {
    let read = |file: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden/ecs/fargate").join(file);
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    (read("task.json"), read("stats-1.json"))
}

/// Each series with its value, and how often something was dropped for each reason.
fn translate(task: &Value, stats: &Value, filter: &str) -> (Vec<(Labels, f64)>, BTreeMap<&'static str, u64>) {
    let reading = Reading { task: task.to_string().into(), stats: stats.to_string().into() };
    let options = Options { filter: filter.parse().unwrap(), suffixes: true };
    let mut sets = LabelSets::default();
    let translated = Translator::new(&options).translate(&reading, AT, &mut sets).unwrap();
    let Translation { mut batch, dropped } = translated;
    let labels = |id| -> Labels {
        sets.get(id).unwrap().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let series = batch.by_series().map(|s| (labels(s.id), s.samples[0].1.value)).collect();
    (series, dropped.iter().map(|d| (d.reason, d.points)).collect())
}

/// Name, container and status of each series, with its value.
fn shown<'a>(series: &'a [(Labels, f64)]) -> Vec<(&'a str, &'a str, &'a str, f64)> {
    let one = |(labels, value): &'a (Labels, f64)| {
        let of = |name: &str| labels.get(name).map_or("", String::as_str);
        (of("__name__"), of("container_name"), of("status"), *value)
    };
    series.iter().map(one).collect()
}

#[test]
fn a_task_and_its_containers_say_how_they_are() {
    let (mut task, stats) = fargate();
    let containers = task["Containers"].as_array_mut().unwrap();
    containers[0]["RestartCount"] = json!(2);
    containers[0]["ExitCode"] = json!(139);
    containers[0]["Health"] = json!({ "status": "UNHEALTHY", "statusSince": "2026-11-20T10:00:00Z" });
    let (series, dropped) = translate(&task, &stats, "state");
    assert_eq!(
        shown(&series),
        [
            ("container_restarts_total", "checkout", "", 2.0),
            ("container_exit_code", "checkout", "", 139.0),
            ("container_health_status", "checkout", "healthy", 0.0),
            ("container_health_status", "checkout", "unhealthy", 1.0),
            ("container_health_status", "checkout", "unknown", 0.0),
            ("ecs_task_clock_drift_error_bound_Seconds", "", "", 0.000_446_931),
            ("ecs_task_clock_drift_synchronized", "", "", 1.0),
        ]
    );
    assert!(dropped.is_empty());
}

#[test]
fn a_stopped_container_still_says_how_it_ended() {
    let (mut task, stats) = fargate();
    let stopped = json!({
        "DockerId": "gone", "Name": "migrate", "KnownStatus": "STOPPED", "ExitCode": 0,
        "StartedAt": "2026-11-20T10:00:00Z", "FinishedAt": "2026-11-20T10:00:30.25Z",
    });
    task["Containers"].as_array_mut().unwrap().push(stopped);
    let (series, _) = translate(&task, &stats, "container.exit_code,container.duration");
    assert_eq!(
        shown(&series),
        [("container_duration_Seconds", "migrate", "", 30.25), ("container_exit_code", "migrate", "", 0.0)]
    );
}

#[test]
fn the_series_of_a_container_that_ended_lately_end() {
    let (mut task, mut stats) = fargate();
    let filter = "container.memory.usage,container.cpu.utilized";
    let running = translate(&task, &stats, filter).0;
    let container = &mut task["Containers"][0];
    stats[container["DockerId"].as_str().unwrap()] = Value::Null;
    container["KnownStatus"] = json!("STOPPED");
    container["ExitCode"] = json!(143);
    // AT is 2026-11-23T02:13:20Z.
    for (finished, markers) in
        [("2026-11-23T02:13:10.5Z", 2), ("2026-11-23T02:12:00Z", 0), ("2026-11-23T02:14:00Z", 0)]
    {
        task["Containers"][0]["FinishedAt"] = json!(finished);
        let (series, dropped) = translate(&task, &stats, filter);
        let ended: Vec<_> = series.iter().filter(|(_, value)| value.to_bits() == STALE.to_bits()).collect();
        assert_eq!((ended.len(), series.len(), dropped.len()), (markers, 2 + markers, 0), "{finished}");
        assert!(
            ended.iter().all(|(labels, _)| running.iter().any(|(known, _)| known == labels)),
            "{ended:?}"
        );
    }
}

/// Else a restart would begin a new series, and `increase` never see one.
#[test]
fn a_series_goes_on_when_the_state_changes() {
    let (mut task, stats) = fargate();
    task["Containers"][0]["RestartCount"] = json!(0);
    let before = translate(&task, &stats, "state").0;
    task["KnownStatus"] = json!("DEPROVISIONING");
    task["PullStoppedAt"] = json!("2026-11-20T12:00:00Z");
    let container = &mut task["Containers"][0];
    container["RestartCount"] = json!(1);
    container["StartedAt"] = json!("2026-11-20T11:00:00Z");
    container["KnownStatus"] = json!("STOPPED");
    let after = translate(&task, &stats, "state").0;
    let labels =
        |series: &[(Labels, f64)]| series.iter().map(|(labels, _)| labels.clone()).collect::<Vec<_>>();
    assert_eq!(labels(&before), labels(&after));
    assert_eq!((before[0].1, after[0].1), (0.0, 1.0));
    for label in ["container_id", "aws_ecs_task_id", "aws_ecs_task_family", "aws_ecs_cluster_name"] {
        assert!(before[0].0.contains_key(label), "{label}");
    }
}

#[test]
fn what_the_metadata_leave_out_has_no_series() {
    let (mut task, stats) = fargate();
    task.as_object_mut().unwrap().remove("ClockDrift");
    assert!(translate(&task, &stats, "state").0.is_empty());
}

#[test]
fn bad_metadata_cost_only_what_hangs_on_them_and_are_counted() {
    let (good_task, good_stats) = fargate();
    let (all, none) = translate(&good_task, &good_stats, "all");
    assert_eq!((all.len(), none.len()), (82, 0));
    // What is spoilt: a field of /task, or of its first container, or that container's stats. How many series are left.
    let in_task = |field: &str, value: Value| {
        let mut task = good_task.clone();
        task[field] = value;
        (task, good_stats.clone())
    };
    let in_container = |field: &str, value: Value| {
        let mut task = good_task.clone();
        task["Containers"][0][field] = value;
        (task, good_stats.clone())
    };
    let in_stats = |value: Value| {
        let mut stats = good_stats.clone();
        stats["158d1c8083dd49d6b527399fd6414f5c-2495160603"] = value;
        (good_task.clone(), stats)
    };
    let with_container = |container: Value| {
        let mut task = good_task.clone();
        task["Containers"].as_array_mut().unwrap().insert(0, container);
        (task, good_stats.clone())
    };
    let stopped = |started: &str, finished: &str| {
        with_container(json!({ "Name": "old", "StartedAt": started, "FinishedAt": finished }))
    };
    for ((task, stats), why, left) in [
        (in_task("Limits", json!(7)), reason::FIELD, 82 - 26),
        (in_task("Limits", json!({ "CPU": -0.5 })), reason::FIELD, 82 - 26),
        (in_task("Limits", json!({ "CPU": 1e306 })), reason::VALUE, 82 - 1),
        (in_task("EphemeralStorageMetrics", json!("full")), reason::FIELD, 82 - 2),
        (in_task("ClockDrift", json!({ "ClockErrorBound": "0.4" })), reason::FIELD, 82 - 2),
        (in_container("ExitCode", json!("SIGKILL")), reason::FIELD, 82),
        (in_container("Health", json!(["HEALTHY"])), reason::FIELD, 82),
        (in_container("RestartCount", json!(-1)), reason::FIELD, 82),
        (in_container("Limits", json!({ "Memory": 1.5 })), reason::CONTAINER, 82 - 26),
        (in_container("Name", json!(7)), reason::CONTAINER, 82 - 26),
        (with_container(json!("checkout")), reason::CONTAINER, 82),
        (with_container(json!(["id"])), reason::CONTAINER, 82),
        (in_stats(json!({ "id": "x", "memory_stats": { "usage": -1 } })), reason::STATS, 82 - 26),
        (in_stats(json!(["id"])), reason::STATS, 82 - 26),
        (stopped("1970-01-01T00:00:00Z", "2026-11-20T10:00:00Z"), reason::TIME, 82),
        (stopped("2026-11-20T10:00:00Z", "2262-01-01T00:00:00Z"), reason::TIME, 82),
        (stopped("2026-11-20T10:00:00Z", "yesterday"), reason::TIME, 82),
    ] {
        let (series, dropped) = translate(&task, &stats, "all");
        assert_eq!(dropped.keys().collect::<Vec<_>>(), [&why], "{why}: {task}");
        assert_eq!(series.len(), left, "{why}: {task}");
        let of_other = series
            .iter()
            .filter(|(labels, _)| labels.get("container_name").is_some_and(|n| n == "collector"));
        assert_eq!(of_other.count(), 26, "{why}: {task}");
    }
}

#[test]
fn a_container_that_never_ended_has_not_stopped() {
    let (mut task, stats) = fargate();
    let never = "0001-01-01T00:00:00Z";
    let container = json!({ "Name": "new", "StartedAt": "2026-11-20T10:00:00Z", "FinishedAt": never });
    task["Containers"].as_array_mut().unwrap().push(container);
    let (series, dropped) = translate(&task, &stats, "container.duration");
    assert!(series.is_empty() && dropped.is_empty(), "{series:?} {dropped:?}");
}

#[test]
fn an_answer_that_names_no_task_is_no_reading() {
    for task in ["{}", r#"{"TaskARN":""}"#, r#"{"TaskARN":null,"Family":"checkout"}"#] {
        let reading = Reading { task: task.into(), stats: "{}".into() };
        let error = Translator::new(&Options::default()).translate(&reading, AT, &mut LabelSets::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("/task ") && error.contains("TaskARN"), "{error}");
    }
}
