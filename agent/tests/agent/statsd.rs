//! StatsD over UDP.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, UdpSocket},
    thread::sleep,
    time::Duration,
};

use prost::Message;
use siphon_core::{
    otlp::{
        KeyValue, Metric, MetricData, MetricsRequest, NO_RECORDED_VALUE, NumberPoint, NumberValue, Value,
    },
    wire::{Kind, Page},
};

use crate::{
    eventually,
    metadata::Metadata,
    process::{Agent, KEY, command},
    puller::{Puller, count},
};

/// A client of the agent's.
fn client(agent: &Agent) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(agent.statsd).unwrap();
    socket
}

fn send(socket: &UdpSocket, datagram: impl AsRef<[u8]>) {
    socket.send(datagram.as_ref()).unwrap();
}

/// A series' latest value; of a histogram, its count. None once it has ended.
type Values = BTreeMap<String, Option<f64>>;

fn read(page: &Page, values: &mut Values) {
    for record in page.records.iter().filter(|record| record.kind == Kind::Statsd) {
        let request = MetricsRequest::decode(record.payload.clone()).unwrap();
        let scope = &request.resource_metrics[0].scope_metrics[0];
        assert_eq!(scope.scope.as_ref().unwrap().name, "siphon/statsd");
        scope.metrics.iter().for_each(|metric| points(metric, values));
    }
}

fn points(metric: &Metric, values: &mut Values) {
    let mut note = |attributes: &[KeyValue], flags: u32, value: f64| {
        let tags: Vec<_> = attributes.iter().map(|a| format!("{}={}", a.key, text(a))).collect();
        let value = (flags & NO_RECORDED_VALUE == 0).then_some(value);
        values.insert(format!("{}{{{}}}", metric.name, tags.join(",")), value);
    };
    let number = |point: &NumberPoint| match point.value {
        Some(NumberValue::Double(number)) => number,
        _ => unreachable!(),
    };
    match metric.data.as_ref().unwrap() {
        MetricData::Gauge(gauge) => gauge.points.iter().for_each(|p| note(&p.attributes, p.flags, number(p))),
        MetricData::Sum(sum) => {
            assert!(sum.monotonic && sum.temporality == 2);
            sum.points.iter().for_each(|p| note(&p.attributes, p.flags, number(p)));
        }
        MetricData::Histogram(all) => {
            assert!(all.temporality == 2 && metric.unit == "ms");
            all.points.iter().for_each(|p| note(&p.attributes, p.flags, p.count as f64));
        }
        _ => unreachable!(),
    }
}

fn text(attribute: &KeyValue) -> &str {
    match attribute.value() {
        Some(Value::String(text)) => text,
        _ => unreachable!(),
    }
}

/// Pulls and acknowledges until `condition` holds of the latest values, and gives them.
fn pull_until(puller: &Puller, what: &str, condition: impl Fn(&Values) -> bool) -> Values {
    let mut values = Values::new();
    eventually(what, || {
        let page = puller.pull().unwrap();
        puller.ack(&page).unwrap();
        read(&page, &mut values);
        condition(&values).then(|| values.clone())
    })
}

/// The first page of a stopping agent. Those before are acknowledged: one that isn't comes again as it was, without what was
/// stored since.
fn first_of_the_stop(puller: &Puller) -> Page {
    eventually("stopping", || {
        let page = puller.pull().unwrap();
        if !page.head.stopping {
            puller.ack(&page).unwrap();
        }
        page.head.stopping.then_some(page)
    })
}

const FAST: (&str, &str) = ("SIPHON_STATSD_INTERVAL", "200ms");
const NEVER: (&str, &str) = ("SIPHON_STATSD_INTERVAL", "1h");

#[test]
fn lines_of_all_sockets_add_up_to_one_series() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[FAST]);
    let (one, other) = (client(&agent), client(&agent));
    send(&one, "orders:1|c|#b:2,a:1\norders:2|c|@0.1|#a:1,b:2\r\nqueue:7|g\nlatency:12:900|ms\n");
    send(&other, "orders:1|c|#a:1,b:2");
    let first = |values: &Values| values.get("orders{a=1,b=2}") == Some(&Some(22.0));
    pull_until(&puller, "both sockets", first);
    send(&other, "queue:-2|g\norders:1|c|#a:1,b:2\nlatency:1|ms|@0.5");
    let values = pull_until(&puller, "of all time", |values| values.get("latency{}") == Some(&Some(4.0)));
    assert_eq!(values["orders{a=1,b=2}"], Some(23.0));
    assert_eq!(values["queue{}"], Some(5.0), "a relative gauge changes what is remembered");
    let page = puller.pull().unwrap();
    assert_eq!(count(&page, "accepted_lines", "statsd", ""), 8);
    assert!(count(&page, "accepted_items", "statsd", "") >= 6);
}

#[test]
fn the_last_interval_is_not_lost() {
    let (mut agent, puller) = Agent::known(&Metadata::start(), &[NEVER, ("SIPHON_SAMPLE_INTERVAL", "1h")]);
    let socket = client(&agent);
    send(&socket, "orders:3|c\nqueue:7|g");
    sleep(Duration::from_millis(300));
    let page = puller.pull().unwrap();
    puller.ack(&page).unwrap();
    assert!(page.records.iter().all(|record| record.kind == Kind::Ecs), "its interval is an hour");
    send(&socket, "orders:1|c");
    agent.signal("TERM");
    let page = first_of_the_stop(&puller);
    let mut values = Values::new();
    read(&page, &mut values);
    assert_eq!(values, [("orders{}".to_owned(), Some(4.0)), ("queue{}".to_owned(), Some(7.0))].into());

    // An application's last words: nothing but them keeps the agent from its end.
    send(&socket, "orders:1|c");
    puller.ack(&page).unwrap();
    sleep(Duration::from_millis(300));
    assert_eq!(agent.exit_code(), None);
    let last = puller.pull().unwrap();
    let mut values = Values::new();
    read(&last, &mut values);
    assert_eq!(values, [("orders{}".to_owned(), Some(5.0))].into(), "what changed since, and nothing else");
    puller.ack(&last).unwrap();
    assert_eq!(eventually("its end", || agent.exit_code()), 0);
    assert!(!agent.logged("drained").is_empty());
}

#[test]
fn the_last_pages_have_all_series_for_scrape_ends_those_that_it_sees_there() {
    let every = ("SIPHON_STATSD_INTERVAL", "2s");
    let (agent, puller) = Agent::known(&Metadata::start(), &[every, ("SIPHON_SAMPLE_INTERVAL", "1h")]);
    send(&client(&agent), "orders:3|c");
    pull_until(&puller, "the first interval", |values| values.len() == 1);
    agent.signal("TERM");
    let page = first_of_the_stop(&puller);
    let mut values = Values::new();
    read(&page, &mut values);
    assert_eq!(values, [("orders{}".to_owned(), Some(3.0))].into(), "though nothing has changed");
}

#[test]
fn a_bad_line_costs_only_itself() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[FAST]);
    let socket = client(&agent);
    let bad = [
        ("_e{5,4}:title|text", "event"),
        ("_sc|db|0", "service_check"),
        ("n:NaN|g", "value"),
        ("n:-1|c", "negative_counter"),
        ("n:1|zz", "type"),
        ("n:1|c|@x", "rate"),
        ("n:1|ms|T1", "timestamp"),
        ("no metric at all", "malformed"),
    ];
    let lines: Vec<_> = bad.map(|(line, _)| format!("{line}\ngood:1|c")).into();
    send(&socket, lines.join("\n"));
    send(&socket, b"n\xff:1|c\n\0\x01\x02\ngood:1|c\r\n  \n");
    send(&socket, b"");
    // The largest datagram that there is.
    let mut large = vec![b'x'; 65_507];
    large[65_496..].copy_from_slice(b"\ngood:1|c\n ");
    send(&socket, &large);
    send(&socket, vec![b'\n'; 65_507]);
    let values = pull_until(&puller, "the good ones", |values| values.get("good{}") == Some(&Some(10.0)));
    assert_eq!(values.len(), 1);
    let page = puller.pull().unwrap();
    for (line, reason) in bad {
        let want = if reason == "malformed" { 3 } else { 1 };
        assert_eq!(count(&page, "refused_lines", "statsd", reason), want, "{line}");
    }
    assert_eq!(count(&page, "refused_lines", "statsd", "encoding"), 1);
    let logged = agent.logged("reason=negative_counter");
    assert!(logged.len() == 1 && logged[0].contains("line=n:-1|c"), "{logged:?}");
    let from = format!("peer={}", socket.local_addr().unwrap());
    assert!(logged[0].contains(&from) && logged[0].contains("use a gauge"), "{logged:?}");
}

#[test]
fn a_flood_of_series_is_refused_and_memory_stays_flat() {
    let limit = ("SIPHON_STATSD_MAX_SERIES", "500");
    let (agent, puller) = Agent::known(&Metadata::start(), &[NEVER, limit]);
    let socket = client(&agent);
    let flood = |range: std::ops::Range<u32>| {
        for first in range.step_by(50) {
            let lines: Vec<_> = (first..first + 50).map(|n| format!("flood:1|ms|#user:{n}")).collect();
            send(&socket, lines.join("\n"));
            sleep(Duration::from_millis(1));
        }
    };
    flood(0..5_000);
    let refused = || puller.count("refused_lines", "statsd", "series_limit");
    eventually("the first flood", || (refused() == 4_500).then_some(()));
    let before = agent.resident_kib();
    flood(5_000..50_000);
    send(&socket, "flood:1|ms|#user:7");
    eventually("the second flood", || (refused() == 49_500).then_some(()));
    let after = agent.resident_kib();
    assert!(after < before + 200, "{before} KiB, then {after} KiB");
    assert!(agent.logged("raise SIPHON_STATSD_MAX_SERIES").len() <= 3, "a flood is no flood of lines");
}

#[test]
fn a_series_without_lines_ends_with_a_marker() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[FAST, ("SIPHON_STATSD_EXPIRY", "1s")]);
    send(&client(&agent), "orders:1|c\nlatency:1|ms");
    pull_until(&puller, "both", |values| values.len() == 2 && values.values().all(Option::is_some));
    pull_until(&puller, "the end of both", |values| {
        values.len() == 2 && values.values().all(Option::is_none)
    });
}

#[test]
fn what_the_kernel_drops_is_counted() {
    let (agent, puller) = Agent::known(&Metadata::start(), &[FAST]);
    let socket = client(&agent);
    agent.signal("STOP");
    (0..20_000).for_each(|_| send(&socket, "a:1|c"));
    agent.signal("CONT");
    eventually("what is lost, and what is not", || {
        let page = puller.pull().unwrap();
        let (taken, lost) = (
            count(&page, "accepted_lines", "statsd", ""),
            count(&page, "dropped_datagrams", "statsd", "socket_full"),
        );
        (taken > 0 && lost > 0 && taken + lost == 20_000).then_some(())
    });
}

#[test]
fn a_taken_address_is_named_with_its_setting() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let environment = [
        ("SIPHON_KEY", KEY),
        ("SIPHON_PULL_ADDRESS", "127.0.0.1:0"),
        ("SIPHON_OTLP_HTTP_ADDRESS", "127.0.0.1:0"),
        ("SIPHON_STATSD_ADDRESS", address.as_str()),
    ];
    let output = command(&environment).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains(&address) && text.contains("SIPHON_STATSD_ADDRESS"), "{text}");
}

#[test]
fn it_listens_on_loopback_unless_told_otherwise() {
    let agent = Agent::start(&Metadata::start(), &[]);
    assert!(agent.statsd.ip().is_loopback());
    assert_ne!(agent.statsd, SocketAddr::from(([127, 0, 0, 1], 0)));
}
