//! Torn, damaged and broken files.

use std::{os::unix::fs::FileExt, rc::Rc, time::Duration};

use prost::Message;
use siphon_core::{
    otlp::{ResourceSpans, ScopeSpans, Span, TraceRequest},
    wire::{BootId, Count},
};
use tokio::{task::yield_now, time::timeout};

use super::*;
use crate::{
    agent::{Agent, Identity},
    ledger::Refused,
    receivers::otlp::{Format, Intake},
    settings::Settings,
    spool::NotStored,
};

pub(super) const MAX_BYTES: usize = 2000;

/// What an earlier round of the ring has left where a record is written.
const OLD: u8 = 0xee;

pub(super) fn file(dir: &Path) -> PathBuf {
    dir.join("metrics.spool")
}

/// A file of three records, of which an agent has told none to the head, or all, by handing them out.
pub(super) fn three_records(told: bool) -> (Scratch, Vec<u8>) {
    let dir = Scratch::new();
    let (mut spool, _) = open(&dir, MAX_BYTES);
    for payload in [&b"first"[..], b"second", b"third"] {
        push(&mut spool, Kind::Ecs, payload);
    }
    if told {
        pull(&mut spool, 1000);
    }
    drop(spool);
    let bytes = fs::read(file(&dir)).unwrap();
    (dir, bytes)
}

/// Where a frame begins and ends in the file of [`three_records`].
fn frame(index: usize) -> std::ops::Range<usize> {
    let start = usize::try_from(START).unwrap() + index * FRAME_BYTES + [0, 5, 11][index];
    start..start + FRAME_BYTES + [5, 6, 5][index]
}

/// Opens a file of these bytes, drains it, and checks that every record is accounted for.
pub(super) fn account(dir: &Path, bytes: &[u8]) -> (Vec<Record>, Recovered, Tally) {
    fs::write(file(dir), bytes).unwrap();
    let (mut spool, recovered) = Spool::open(dir, MAX_BYTES).unwrap();
    spool.claim(TASK);
    let records = drain(&mut spool);
    let damaged = spool.take_damaged();
    assert_eq!(recovered.records.total(), records.len() as u64 + damaged.total());
    (records, recovered, damaged)
}

#[test]
fn a_torn_tail_is_dropped_at_every_byte() {
    for told in [false, true] {
        let (dir, bytes) = three_records(told);
        let (second, third) = (frame(1), frame(2));
        for end in second.start..third.end {
            let mut torn = bytes.clone();
            torn[end..third.end].fill(OLD);
            let (records, recovered, damaged) = account(&dir, &torn);
            let whole = if end < second.end { 1 } else { 2 };
            assert_eq!(payloads(&records), [&b"first"[..], b"second"][..whole], "{end}");
            let headers = 1 + [second.start, third.start].iter().filter(|s| end >= **s + FRAME_BYTES).count();
            assert_eq!(damaged.total(), (headers - whole) as u64, "{end}");
            let missing = if told { 3 - headers as u64 } else { 0 };
            assert_eq!(recovered.torn.total(), missing, "{end}: what the head knew of is counted");
        }
        assert_eq!(account(&dir, &bytes).0.len(), 3);
    }
}

#[test]
fn a_frame_whose_payload_alone_was_written_is_none() {
    let (dir, mut bytes) = three_records(false);
    let third = frame(2);
    for written in 0..FRAME_BYTES {
        let mut torn = bytes.clone();
        torn[third.start + written..third.start + FRAME_BYTES].fill(OLD);
        assert_eq!(account(&dir, &torn).0.len(), 2, "{written} bytes of its fixed part");
    }
    bytes[third.start..third.end].fill(OLD);
    assert_eq!(account(&dir, &bytes).1.torn.total(), 0);
}

#[test]
fn a_flipped_byte_costs_its_record_or_what_follows_and_is_counted() {
    let (dir, bytes) = three_records(true);
    let all = [&b"first"[..], b"second", b"third"];
    for index in 0..3 {
        for at in frame(index) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            let (records, recovered, damaged) = account(&dir, &flipped);
            if at < frame(index).start + FRAME_BYTES {
                assert_eq!(payloads(&records), all[..index], "byte {at}");
                assert_eq!((recovered.torn.total(), damaged.total()), (3 - index as u64, 0), "byte {at}");
            } else {
                let mut others = all.to_vec();
                others.remove(index);
                assert_eq!(payloads(&records), others, "byte {at}");
                assert_eq!((recovered.torn.total(), damaged.total()), (0, 1), "byte {at}");
            }
        }
    }
}

#[test]
fn a_damaged_head_leaves_the_one_before_it() {
    let (dir, bytes) = three_records(true);
    for at in (0..200).chain(4096..4296) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert_eq!(account(&dir, &flipped).0.len(), 3, "byte {at}");
    }
}

#[test]
fn without_a_head_a_file_begins_anew() {
    let (dir, mut bytes) = three_records(true);
    bytes[..8192].fill(0);
    let (records, recovered, _) = account(&dir, &bytes);
    assert_eq!((records.len(), recovered), (0, Recovered::default()));
    let (mut spool, _) = open(&dir, MAX_BYTES);
    push(&mut spool, Kind::Ecs, b"first");
    drop(spool);
    assert_eq!(open(&dir, MAX_BYTES).1.records.total(), 1, "and what it held does not come back");
}

#[test]
fn a_file_that_is_cut_off_is_no_reason_not_to_start() {
    let (dir, bytes) = three_records(true);
    for end in [0, 1, 4096, 8191, 8192, 8193, bytes.len() - 1] {
        account(&dir, &bytes[..end]);
        assert_eq!(fs::metadata(file(&dir)).unwrap().len(), bytes.len() as u64, "{end}");
    }
}

#[test]
fn what_lies_behind_the_newest_record_does_not_come_back() {
    let (dir, bytes) = three_records(false);
    let mut cut = bytes;
    cut[frame(1).start] ^= 1;
    fs::write(file(&dir), &cut).unwrap();
    let (mut spool, recovered) = open(&dir, MAX_BYTES);
    assert_eq!(recovered.records.total(), 1);
    push(&mut spool, Kind::Ecs, b"SECOND");
    drop(spool);
    let (mut spool, recovered) = open(&dir, MAX_BYTES);
    assert_eq!(recovered.records.total(), 2, "the third still lies behind it, with the next sequence");
    assert_eq!(payloads(&drain(&mut spool)), [&b"first"[..], b"SECOND"]);
}

#[test]
fn damage_that_comes_while_it_runs_costs_what_cant_be_read() {
    for (at, left) in [(frame(1).end - 1, vec![&b"first"[..], b"third"]), (frame(1).start, vec![b"first"])] {
        let (dir, _) = three_records(false);
        let (mut spool, _) = open(&dir, MAX_BYTES);
        let outside = OpenOptions::new().write(true).open(file(&dir)).unwrap();
        outside.write_all_at(b"!", at as u64).unwrap();
        assert_eq!(payloads(&drain(&mut spool)), left);
        assert_eq!(spool.take_damaged().total(), 3 - left.len() as u64);
        assert_eq!((spool.records(), spool.take_damaged().total()), (0, 0));
        push(&mut spool, Kind::Ecs, b"new");
        assert_eq!(payloads(&drain(&mut spool)), [b"new"]);
    }
}

#[test]
fn a_full_share_whose_oldest_record_is_damaged_still_takes_new_ones() {
    let (dir, _) = three_records(false);
    let (mut spool, _) = open(&dir, MAX_BYTES);
    let outside = OpenOptions::new().write(true).open(file(&dir)).unwrap();
    outside.write_all_at(b"!", frame(0).start as u64).unwrap();
    assert_eq!(push(&mut spool, Kind::Ecs, &[7; 950]).total(), 0, "lost, but not for want of room");
    assert_eq!((spool.take_damaged().total(), spool.records()), (3, 1));
}

#[test]
fn a_record_that_cant_be_written_is_lost_alone() {
    let (dir, _) = three_records(true);
    let (mut spool, _) = open(&dir, MAX_BYTES);
    spool.refuse_writes(&dir);
    let error = spool.push(Kind::Ecs, UnixMillis(0), b"fourth").unwrap_err();
    assert!(matches!(error, NotStored::Disk { evicted, .. } if evicted.total() == 0));
    let error = spool.push(Kind::Ecs, UnixMillis(0), &[7; 900]).unwrap_err();
    assert!(matches!(error, NotStored::Disk { evicted, .. } if evicted.total() == 2));
    assert_eq!(payloads(&drain(&mut spool)), [b"third"], "what is there goes out");
}

#[test]
fn a_page_whose_records_change_under_it_is_none() {
    let (dir, _) = three_records(false);
    let (mut spool, _) = open(&dir, MAX_BYTES);
    let selection = spool.select(1000);
    let outside = OpenOptions::new().write(true).open(file(&dir)).unwrap();
    outside.write_all_at(b"!", frame(1).start as u64 + FRAME_BYTES as u64).unwrap();
    assert!(spool.copy(&selection, &mut Vec::new()).is_err());
    assert_eq!(payloads(&drain(&mut spool)), [&b"first"[..], b"third"], "the next one does without it");
}

/// An agent that knows its task, and spools in `dir`.
fn agent(dir: &Scratch) -> Agent {
    let settings = Settings::read(|name| match name {
        "SIPHON_KEY" => Some("0b".repeat(32)),
        "SIPHON_SPOOL_DIR" => Some(dir.display().to_string()),
        "SIPHON_SPOOL_DISK_MAX_BYTES" => Some("65536".to_owned()),
        _ => None,
    });
    let agent = Agent::open(settings.unwrap(), BootId([0; 16]), &[0; 16]).unwrap();
    agent.identify(Identity { arn: TASK.to_owned(), task: "{}".into() });
    agent
}

#[test]
fn what_an_agent_loses_by_its_disk_is_counted() {
    let dir = Scratch::new();
    let agent = agent(&dir);
    agent.store(Kind::Ecs, b"kept", 1);
    let outside = OpenOptions::new().write(true).open(file(&dir)).unwrap();
    agent.store(Kind::Statsd, b"damaged", 1);
    outside.write_all_at(b"!", START + (2 * FRAME_BYTES + b"kept".len()) as u64).unwrap();
    agent.spool.borrow_mut().refuse_writes(&dir);
    agent.store(Kind::Ecs, b"refused", 1);
    let pages = drain(&mut agent.spool.borrow_mut());
    assert_eq!(payloads(&pages), [b"kept"]);
    let dropped: Vec<_> = agent.counts().into_iter().filter(|c| c.event == "dropped_records").collect();
    assert_eq!(
        dropped,
        [
            Count::new("dropped_records", "ecs", "disk", 1),
            Count::new("dropped_records", "statsd", "damaged", 1)
        ]
    );
}

#[test]
fn a_request_that_the_disk_does_not_take_is_refused_so_that_it_comes_again() {
    let dir = Scratch::new();
    let agent = Rc::new(agent(&dir));
    agent.spool.borrow_mut().refuse_writes(&dir);
    let scope_spans = vec![ScopeSpans { scope: None, spans: vec![Span::default()] }];
    let request = TraceRequest { resource_spans: vec![ResourceSpans { resource: None, scope_spans }] };
    let taken = Intake::new(Rc::clone(&agent)).take(
        Kind::OtlpTraces,
        Format::Protobuf,
        None,
        &request.encode_to_vec(),
    );
    let refusal = taken.unwrap_err();
    assert_eq!((refusal.refused, refusal.code()), (Refused::Disk, 14));
    assert!(agent.counts().iter().all(|count| count.value == 0), "neither accepted nor dropped");
}

#[tokio::test]
async fn an_agent_whose_last_records_turn_out_damaged_is_drained() {
    let dir = Scratch::new();
    let agent = agent(&dir);
    agent.store(Kind::Ecs, b"damaged", 1);
    let outside = OpenOptions::new().write(true).open(file(&dir)).unwrap();
    outside.write_all_at(b"!", START + FRAME_BYTES as u64).unwrap();
    let pull = async {
        yield_now().await; // `drained` waits by then
        let mut spool = agent.spool.borrow_mut();
        assert!(spool.select(1000).handed_out.total() == 0);
        agent.count_damaged(&mut spool);
    };
    let drained = async { tokio::join!(agent.drained(), pull) };
    assert!(timeout(Duration::from_secs(5), drained).await.is_ok());
}

/// Otherwise a head that could not be written would point into the middle of a newer frame.
#[test]
fn nothing_is_overwritten_that_the_last_head_points_to() {
    let (dir, _) = three_records(true);
    let (mut spool, _) = open(&dir, MAX_BYTES);
    let before = fs::read(file(&dir)).unwrap();
    let writable = OpenOptions::new().read(true).write(true).open(file(&dir)).unwrap();
    spool.refuse_writes(&dir);
    drain(&mut spool);
    let Ring::Disk(ring) = spool.queue_mut(Share::Metrics).ring() else { panic!("in memory") };
    assert!(ring.is_behind());
    assert!(spool.push(Kind::Ecs, UnixMillis(0), b"overwrites").is_err());
    assert_eq!(fs::read(file(&dir)).unwrap(), before);
    let Ring::Disk(ring) = spool.queue_mut(Share::Metrics).ring() else { panic!("in memory") };
    ring.area.file = writable;
    push(&mut spool, Kind::Ecs, b"written");
    drop(spool);
    assert_eq!(payloads(&drain(&mut open(&dir, MAX_BYTES).0)), [b"written"]);
}
