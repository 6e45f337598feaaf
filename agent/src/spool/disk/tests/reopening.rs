//! What the next agent finds.

use siphon_core::wire::{Cursor, Cursors};

use super::*;

#[test]
fn what_is_left_goes_out_again_and_sequences_go_on() {
    let dir = Scratch::new();
    let (mut spool, _) = open(&dir, 4096);
    for payload in [b"a", b"b", b"c"] {
        push(&mut spool, Kind::Ecs, payload);
    }
    push(&mut spool, Kind::OtlpTraces, b"t");
    let (page, _) = pull(&mut spool, 2 * (FRAME_BYTES - 12 + 1) + 40);
    assert_eq!(payloads(&page.records), [&b"a"[..], b"b", b"t"]);
    spool.ack(&Cursors { metrics: Cursor(1), traces: Cursor(0) }).unwrap();
    drop(spool);

    let (mut spool, recovered) = open(&dir, 4096);
    let found: Vec<_> = recovered.records.by_kind().filter(|(_, count)| *count > 0).collect();
    assert_eq!(found, [(Kind::Ecs, 2), (Kind::OtlpTraces, 1)]);
    push(&mut spool, Kind::Ecs, b"d");
    let (page, _) = pull(&mut spool, 1000);
    assert_eq!(page.head.metrics.handed_out_before, Cursor(2), "b may have been delivered");
    assert_eq!(page.head.traces.handed_out_before, Cursor(1), "so may t");
    assert_eq!(payloads(&page.records), [&b"b"[..], b"t"], "as they went out before, with nothing new");
    spool.ack(&cursors(&page)).unwrap();
    let rest: Vec<_> = drain(&mut spool).into_iter().map(|r| (r.sequence, r.payload)).collect();
    assert_eq!(rest, [(2, b"c"[..].into()), (3, b"d"[..].into())]);
    drop(spool);
    assert_eq!(open(&dir, 4096).1, Recovered::default(), "drained: nothing is left");
}

#[test]
fn a_ring_that_goes_round_is_found_again_wherever_it_begins() {
    let dir = Scratch::new();
    let (mut spool, _) = open(&dir, 600);
    let mut expected = Vec::new();
    for round in 0..200u8 {
        let payload = vec![round; 1 + usize::from(round % 60)];
        let lost = push(&mut spool, Kind::Ecs, &payload).total();
        expected.push(payload);
        expected.drain(..usize::try_from(lost).unwrap());
        drop(spool);
        let recovered;
        (spool, recovered) = open(&dir, 600);
        assert_eq!(recovered.records.total(), expected.len() as u64, "round {round}");
        assert_eq!((recovered.torn.total(), recovered.unowned.total()), (0, 0), "round {round}");
    }
    assert_eq!(payloads(&drain(&mut spool)), expected);
}

#[test]
fn another_tasks_records_never_go_out() {
    let dir = Scratch::new();
    let (mut spool, _) = open(&dir, 4096);
    push(&mut spool, Kind::Ecs, b"theirs");
    push(&mut spool, Kind::OtlpTraces, b"theirs");
    drop(spool);
    let (mut spool, recovered) = Spool::open(&dir, 4096).unwrap();
    assert_eq!(recovered.records.total(), 2);
    push(&mut spool, Kind::Ecs, b"ours");
    let foreign: Vec<_> = spool.claim("arn:other").by_kind().filter(|(_, count)| *count > 0).collect();
    assert_eq!(foreign, [(Kind::Ecs, 1), (Kind::OtlpTraces, 1)]);
    drop(spool);
    let (mut spool, recovered) = Spool::open(&dir, 4096).unwrap();
    assert_eq!((recovered.records.total(), spool.claim("arn:other").total()), (1, 0));
    assert_eq!(payloads(&drain(&mut spool)), [b"ours"]);
}

#[test]
fn what_an_agent_stored_before_it_knew_its_task_is_nobodys() {
    let dir = Scratch::new();
    let (mut spool, _) = open(&dir, 4096);
    push(&mut spool, Kind::Ecs, b"known");
    drop(spool);
    let (mut spool, _) = Spool::open(&dir, 4096).unwrap();
    push(&mut spool, Kind::Ecs, b"nobody's");
    drop(spool);
    for unowned in [1, 0] {
        let (mut spool, recovered) = Spool::open(&dir, 4096).unwrap();
        assert_eq!((recovered.records.total(), recovered.unowned.total()), (1, unowned), "told once");
        assert_eq!(spool.claim(TASK).total(), 0);
        assert_eq!(payloads(&pull(&mut spool, 1000).0.records), [b"known"]);
    }
}

#[test]
fn a_file_with_records_keeps_its_size_until_it_is_empty() {
    let dir = Scratch::new();
    let (mut spool, _) = open(&dir, 4096);
    push(&mut spool, Kind::Ecs, &[7; 1500]);
    drop(spool);
    let (mut spool, recovered) = open(&dir, 1024);
    assert_eq!(recovered.records.total(), 1);
    assert_eq!(drain(&mut spool)[0].payload, vec![7; 1500]);
    drop(spool);
    let (mut spool, _) = open(&dir, 1024);
    assert!(spool.push(Kind::Ecs, UnixMillis(0), &[7; 1500]).is_err(), "now it is as small as it should be");
    let bytes = fs::metadata(dir.join("metrics.spool")).unwrap().len();
    assert_eq!(bytes, START + 512);
}

#[test]
fn a_directory_is_one_agents_alone() {
    let dir = Scratch::new();
    let first = open(&dir, 4096);
    let error = Spool::open(&dir, 4096).unwrap_err();
    assert!(
        matches!(error, OpenError::InUse(_)) && error.to_string().contains("SIPHON_SPOOL_DIR"),
        "{error}"
    );
    drop(first);
    open(&dir, 4096);
}

#[test]
fn a_directory_that_cant_be_says_which_setting_is_wrong() {
    let dir = Scratch::new();
    fs::write(&*dir, b"a file").unwrap();
    let error = Spool::open(&dir, 4096).unwrap_err().to_string();
    assert!(error.contains(&dir.display().to_string()) && error.contains("SIPHON_SPOOL_DIR"), "{error}");
    fs::remove_file(&*dir).unwrap();
    let too_large = 1 << 62;
    let error = Spool::open(&dir, too_large).unwrap_err().to_string();
    assert!(error.contains("SIPHON_SPOOL_DISK_MAX_BYTES"), "{error}");
}
