//! What the answer of `/task` says beside usage, and ADOT doesn't pass on: how a task and its containers are.

use super::{
    field::Amount,
    metrics::Definition,
    task::{Container, Task},
};
use crate::prometheus::names::Kind;

/// What one of these metrics says of a `T`; `None` where that is unknown.
pub(super) struct State<T> {
    definition: Definition<&'static str>,
    value: fn(&T) -> Option<f64>,
}

const fn state<T>(
    name: &'static str,
    unit: &'static str,
    kind: Kind,
    value: fn(&T) -> Option<f64>,
) -> State<T> {
    State { definition: Definition { name, unit, kind, label: None }, value }
}

/// One of the states of a health check: 1 in the series of the state that it is in, 0 in the others.
const fn health(status: &'static str, value: fn(&Container) -> Option<f64>) -> State<Container> {
    let label = Some(("status", status));
    let definition = Definition { name: "container.health.status", unit: "", kind: Kind::Gauge, label };
    State { definition, value }
}

/// Of a container, running or not.
///
/// | metric | type | |
/// |---|---|---|
/// | `container.restarts` | counter | by its restart policy; absent without one |
/// | `container.exit_code` | gauge | of its latest end; absent until then |
/// | `container.health.status` | gauge, 0 or 1 | for each `status`; absent without a health check |
pub(super) const CONTAINER: [State<Container>; 5] = [
    state("container.restarts", "", Kind::Counter, |c| c.restart_count.read().map(|n| *n as f64)),
    state("container.exit_code", "", Kind::Gauge, |c| c.exit_code.read().map(|code| *code as f64)),
    health("healthy", |c| is(c, Health::Healthy)),
    health("unhealthy", |c| is(c, Health::Unhealthy)),
    health("unknown", |c| is(c, Health::Unknown)),
];

/// Of a task, on Fargate.
///
/// | metric | type | |
/// |---|---|---|
/// | `ecs.task.clock_drift.error_bound` | gauge, seconds | what the clock is off at most |
/// | `ecs.task.clock_drift.synchronized` | gauge, 0 or 1 | whether it was synchronized at the latest attempt |
pub(super) const TASK: [State<Task>; 2] = [
    state("ecs.task.clock_drift.error_bound", "Seconds", Kind::Gauge, error_bound_seconds),
    state("ecs.task.clock_drift.synchronized", "", Kind::Gauge, |task| {
        is_synchronized(task).map(|is| f64::from(u8::from(is)))
    }),
];

/// OTLP names of all of these metrics.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    definitions(&CONTAINER).chain(definitions(&TASK)).map(|definition| definition.name)
}

pub(super) fn definitions<T>(states: &[State<T>]) -> impl Iterator<Item = Definition<&'static str>> {
    states.iter().map(|state| state.definition)
}

/// What `states` say of `subject`, in their order.
pub(super) fn values<T, const N: usize>(states: &[State<T>; N], subject: &T) -> [Option<f64>; N] {
    states.each_ref().map(|state| (state.value)(subject))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Healthy,
    Unhealthy,
    /// Also what no version of the endpoint has said so far.
    Unknown,
}

fn is(container: &Container, health: Health) -> Option<f64> {
    let status = container.health.read()?.status.as_str();
    let actual = match status.to_ascii_uppercase().as_str() {
        "" => return None,
        "HEALTHY" => Health::Healthy,
        "UNHEALTHY" => Health::Unhealthy,
        _ => Health::Unknown,
    };
    Some(f64::from(u8::from(actual == health)))
}

fn error_bound_seconds(task: &Task) -> Option<f64> {
    let Amount(millis) = task.clock_drift.read()?.clock_error_bound?;
    Some(millis / 1000.0)
}

fn is_synchronized(task: &Task) -> Option<bool> {
    match task.clock_drift.read()?.clock_synchronization_status.as_str() {
        "SYNCHRONIZED" => Some(true),
        "NOT_SYNCHRONIZED" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_container(fields: &str) -> [Option<f64>; 5] {
        let task = Task::parse(format!(r#"{{"Containers":[{{{fields}}}]}}"#).as_bytes()).unwrap();
        values(&CONTAINER, &task.containers.readable[0])
    }

    #[test]
    fn a_container_says_what_it_knows() {
        let (yes, no) = (Some(1.0), Some(0.0));
        for (fields, want) in [
            ("", [None; 5]),
            (r#""RestartCount":0"#, [no, None, None, None, None]),
            (r#""RestartCount":3,"ExitCode":137"#, [Some(3.0), Some(137.0), None, None, None]),
            (r#""ExitCode":-1073741510"#, [None, Some(-1_073_741_510.0), None, None, None]),
            (r#""Health":{"status":"HEALTHY","output":"ok"}"#, [None, None, yes, no, no]),
            (r#""Health":{"status":"UNHEALTHY"}"#, [None, None, no, yes, no]),
            (r#""Health":{"status":"UNKNOWN"}"#, [None, None, no, no, yes]),
            (r#""Health":{"status":"STARTING"}"#, [None, None, no, no, yes]),
            (r#""Health":{"status":""}"#, [None; 5]),
            (r#""Health":null,"RestartCount":null,"ExitCode":null"#, [None; 5]),
            (r#""Health":7,"RestartCount":"3","ExitCode":1.5"#, [None; 5]),
        ] {
            assert_eq!(of_container(fields), want, "{fields}");
        }
    }

    #[test]
    fn a_task_says_how_its_clock_is() {
        let of_task = |drift: &str| values(&TASK, &Task::parse(drift.as_bytes()).unwrap());
        for (task, want) in [
            ("{}", [None, None]),
            (
                r#"{"ClockDrift":{"ClockErrorBound":0.5,"ClockSynchronizationStatus":"SYNCHRONIZED"}}"#,
                [Some(0.0005), Some(1.0)],
            ),
            (r#"{"ClockDrift":{"ClockSynchronizationStatus":"NOT_SYNCHRONIZED"}}"#, [None, Some(0.0)]),
            (r#"{"ClockDrift":{"ClockErrorBound":1234}}"#, [Some(1.234), None]),
            (r#"{"ClockDrift":{"ClockErrorBound":-1}}"#, [None, None]),
        ] {
            assert_eq!(of_task(task), want, "{task}");
        }
    }
}
