//! The spool on disk: an agent that starts again, whatever ended the one before it.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
    time::Duration,
};

use siphon_core::wire::{Cursors, Kind, Page, Share, imbalances};

use crate::{
    eventually,
    http::request,
    metadata::{Metadata, Mood, TASK_ARN},
    process::{Agent, KEY, command},
    puller::{Puller, count, cursors},
    receiving::{PROTOBUF, metrics, spans},
};

/// A directory for one test's spool, gone with it.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("spool-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    /// An agent that knows its task, samples once, and spools here.
    fn start(&self, metadata: &Metadata, environment: &[(&str, &str)]) -> (Agent, Puller) {
        let dir = self.0.to_str().unwrap();
        let own = [("SIPHON_SPOOL_DIR", dir), ("SIPHON_SAMPLE_INTERVAL", "1h")];
        Agent::known(metadata, &[&own, environment].concat())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The payloads of one kind, as long as the request whose number they are.
fn lengths(pages: &[Page], kind: Kind) -> Vec<usize> {
    let records = pages.iter().flat_map(|page| &page.records);
    records.filter(|record| record.kind == kind).map(|record| record.payload.len()).collect()
}

/// Pulls and acknowledges until nothing is left.
fn drain(puller: &Puller) -> Vec<Page> {
    let mut pages = Vec::new();
    loop {
        let page = puller.pull().unwrap();
        if page.records.is_empty() {
            return pages;
        }
        puller.ack(&page).unwrap();
        pages.push(page);
    }
}

#[test]
fn a_killed_agents_records_are_all_there_once_after_its_next_start() {
    let (dir, metadata) = (Dir::new(), Metadata::start());
    let (agent, mut puller) = dir.start(&metadata, &[]);
    for number in 0..200 {
        assert_eq!(agent.post("/v1/traces", &spans(1, number)).status, 200);
        assert_eq!(agent.post("/v1/metrics", &metrics(1 + number)).status, 200);
    }
    puller.max_bytes = 20_000;
    let acknowledged = puller.pull().unwrap();
    puller.ack(&acknowledged).unwrap();
    let open = puller.pull().unwrap();
    assert!(!open.records.is_empty());
    drop(agent); // SIGKILL

    let (agent, puller) = dir.start(&metadata, &[]);
    let first = puller.pull().unwrap();
    assert_ne!(first.head.boot, open.head.boot);
    assert_eq!(first.records, open.records, "what may be delivered goes out as it did before");
    for share in Share::ALL {
        assert_eq!(first.head.share(share).handed_out_before, open.head.share(share).cursor);
    }
    assert_eq!(imbalances(&first.head.counts), []);
    let left = 401 - acknowledged.records.len() as u64;
    let recovered = |page: &Page| {
        let kinds = [Kind::Ecs, Kind::OtlpMetrics, Kind::OtlpTraces];
        kinds.map(|kind| count(page, "accepted_records", kind.name(), "recovered")).iter().sum::<u64>()
    };
    assert_eq!(recovered(&first), left);
    assert_eq!(agent.post("/v1/traces", &spans(1, 1000)).status, 200);
    let acknowledged_traces = acknowledged.share(Share::Traces).count() as u64;
    let pages = [vec![acknowledged], drain(&puller)].concat();
    let expected: Vec<_> = (0..200).chain([1000]).map(|number| spans(1, number).len()).collect();
    assert_eq!(lengths(&pages, Kind::OtlpTraces), expected);
    let expected: Vec<_> = (0..200).map(|number| metrics(1 + number).len()).collect();
    assert_eq!(lengths(&pages, Kind::OtlpMetrics), expected);
    assert_eq!(lengths(&pages, Kind::Ecs).len(), 2, "one reading of each start");
    let empty = puller.pull().unwrap();
    assert_eq!(imbalances(&empty.head.counts), []);
    assert_eq!(count(&empty, "acked_records", "otlp_traces", ""), 201 - acknowledged_traces);
}

/// Posts traces of rising size, on several threads, until the agent is gone. Gives the sizes that it took.
fn flood(otlp: SocketAddr, next: &AtomicUsize) -> Vec<usize> {
    let post = || {
        let mut taken = Vec::new();
        loop {
            let body = spans(1, next.fetch_add(1, Ordering::Relaxed));
            let Ok(mut stream) = TcpStream::connect(otlp) else { return taken };
            let mut status = [0; 12];
            let sent = stream.write_all(&request("POST", "/v1/traces", &[PROTOBUF], &body, "close"));
            if sent.and_then(|()| stream.read_exact(&mut status)).is_err() {
                return taken;
            }
            assert_eq!(&status, b"HTTP/1.1 200");
            taken.push(body.len());
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(post)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn whatever_was_answered_with_success_outlives_a_kill_at_any_moment() {
    let (dir, metadata, next) = (Dir::new(), Metadata::start(), AtomicUsize::new(1));
    let mut taken = BTreeSet::new();
    for round in 0..8 {
        let (agent, _) = dir.start(&metadata, &[]);
        let otlp = agent.otlp;
        let flood = std::thread::scope(|scope| {
            let flood = scope.spawn(|| flood(otlp, &next));
            std::thread::sleep(Duration::from_millis(20 + 7 * round));
            drop(agent); // SIGKILL
            flood.join().unwrap()
        });
        assert!(!flood.is_empty());
        taken.extend(flood);
    }
    let (_agent, puller) = dir.start(&metadata, &[]);
    let pages = drain(&puller);
    let lengths = lengths(&pages, Kind::OtlpTraces);
    let found: BTreeSet<_> = lengths.iter().copied().collect();
    assert_eq!(found.len(), lengths.len(), "none twice");
    assert!(taken.is_subset(&found), "lost: {:?}", taken.difference(&found).collect::<Vec<_>>());
    assert!(found.len() <= taken.len() + 8 * 3, "no more than were on their way");
    assert_eq!(imbalances(&pages[0].head.counts), []);
    assert_eq!(count(&pages[0], "dropped_records", "otlp_traces", "torn"), 0);
}

#[test]
fn memory_stays_the_same_however_much_is_on_disk() {
    let (dir, metadata) = (Dir::new(), Metadata::start());
    let environment = [("SIPHON_SPOOL_DISK_MAX_BYTES", "67108864")];
    let (agent, mut puller) = dir.start(&metadata, &environment);
    let trace = spans(1, 1_000_000);
    let fill = |requests| {
        for _ in 0..requests {
            assert_eq!(agent.post("/v1/traces", &trace).status, 200);
        }
        agent.resident_kib()
    };
    let (early, late) = (fill(4), fill(36));
    assert!(late < early + 1024, "{early} KiB, then {late} KiB");
    puller.max_bytes = 2 << 20;
    for _ in 0..5 {
        let page = puller.pull().unwrap();
        assert!(page.records.len() >= 2);
        puller.ack(&page).unwrap();
    }
    let page = puller.pull().unwrap();
    assert_eq!(count(&page, "accepted_records", "otlp_traces", ""), 40);
    assert_eq!(count(&page, "dropped_records", "otlp_traces", "spool_full"), 7, "33 fit into half of it");
    assert_eq!(imbalances(&page.head.counts), []);
    let peak = agent.peak_kb();
    assert!(peak < early + 6 * 1024, "{early} KiB, and {peak} KiB with pages of 2 MiB");
    drop(agent);
    let (agent, _) = dir.start(&metadata, &environment);
    assert!(agent.logged("the spool is on disk")[0].contains("records=23"), "33 less five pages of two");
    assert!(agent.peak_kb() < early, "{} KiB to find them again", agent.peak_kb());
}

#[test]
fn what_the_grace_was_too_short_for_goes_out_after_the_next_start() {
    let (dir, metadata) = (Dir::new(), Metadata::start());
    let (mut agent, _) = dir.start(&metadata, &[("SIPHON_GRACE", "300ms")]);
    agent.post("/v1/traces", &spans(1, 7));
    agent.signal("TERM");
    assert_eq!(eventually("its end", || agent.exit_code()), 0);
    eventually("its last line", || (agent.logged("the next start finds them").len() == 1).then_some(()));
    assert!(agent.logged("they are lost").is_empty());

    let (mut agent, puller) = dir.start(&metadata, &[]);
    assert_eq!(lengths(&drain(&puller), Kind::OtlpTraces), [spans(1, 7).len()]);
    agent.signal("TERM");
    let last = eventually("stopping", || puller.pull().ok().filter(|page| page.head.stopping));
    puller.ack(&last).unwrap();
    assert_eq!(eventually("its end", || agent.exit_code()), 0);

    let (agent, _) = dir.start(&metadata, &[]);
    assert!(agent.logged("the spool is on disk").iter().all(|line| line.contains("records=0")), "drained");
}

#[test]
fn another_tasks_records_are_dropped_and_counted() {
    let (dir, metadata) = (Dir::new(), Metadata::start());
    let (agent, _) = dir.start(&metadata, &[]);
    agent.post("/v1/traces", &spans(1, 7));
    drop(agent);

    metadata.set(Mood::Body(OTHER_TASK), Mood::Good);
    let (agent, mut puller) = dir.start(&metadata, &[]);
    agent.post("/v1/traces", &spans(1, 8));
    puller.task_arn = TASK_ARN.replace("0123", "9876");
    let pages = drain(&puller);
    assert_eq!(lengths(&pages, Kind::OtlpTraces), [spans(1, 8).len()]);
    assert_eq!(count(&pages[0], "dropped_records", "otlp_traces", "other_task"), 1);
    assert_eq!(imbalances(&pages[0].head.counts), []);
    assert_eq!(agent.logged("records of another task").len(), 1);
}

const OTHER_TASK: &str = r#"{"TaskARN":"arn:aws:ecs:eu-central-1:111122223333:task/shop/9876456789abcdef9876456789abcdef","Containers":[]}"#;

#[test]
fn an_ack_from_before_the_restart_drops_nothing() {
    let (dir, metadata) = (Dir::new(), Metadata::start());
    let (agent, puller) = dir.start(&metadata, &[]);
    agent.post("/v1/traces", &spans(1, 7));
    let page = puller.pull().unwrap();
    drop(agent);
    let (_agent, puller) = dir.start(&metadata, &[]);
    assert!(puller.ack_as(page.head.boot, cursors(&page)).is_err());
    let again = puller.pull().unwrap();
    assert_eq!(again.records[..page.records.len()], page.records);
    let nothing = Cursors::default();
    puller.ack_as(again.head.boot, nothing).unwrap();
    assert_eq!(puller.pull().unwrap().records, again.records);
}

#[test]
fn a_directory_that_is_none_or_anothers_stops_it_with_the_settings_name() {
    let dir = Dir::new();
    fs::write(&dir.0, b"a file").unwrap();
    let start = || {
        let environment = [
            ("SIPHON_KEY", KEY),
            ("SIPHON_SPOOL_DIR", dir.0.to_str().unwrap()),
            ("SIPHON_PULL_ADDRESS", "127.0.0.1:0"),
            ("SIPHON_OTLP_GRPC_ADDRESS", "off"),
            ("SIPHON_OTLP_HTTP_ADDRESS", "off"),
            ("SIPHON_XRAY_ADDRESS", "off"),
            ("SIPHON_STATSD_ADDRESS", "off"),
        ];
        let output = command(&environment).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = start();
    assert!(code == Some(1) && text.contains("SIPHON_SPOOL_DIR has to be a directory"), "{text}");
    fs::remove_file(&dir.0).unwrap();
    let (_agent, _) = dir.start(&Metadata::start(), &[]);
    let (code, text) = start();
    assert!(code == Some(1) && text.contains("in use by another process"), "{text}");
}
