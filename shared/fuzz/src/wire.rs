//! The agent's wire: pages, and the JSON messages of pull, ack, hand-over and refusal. Also shards, which the queue carries.

use serde::{Serialize, de::DeserializeOwned};
use siphon_core::{
    shard::Shard,
    units::UnixMillis,
    wire::{
        Ack, BootId, Cursor, FrameHeader, Kind, Page, PageHead, PullRequest, Reading, Record, Refusal,
        SamplingHandover, SamplingHead, SamplingStatistics, ShareHead, start_page,
    },
    xray::sampling::{RulesAnswer, TargetsAnswer},
};

use crate::seeds::{golden, one};

/// A page must mean the same once it is written again.
pub(crate) fn page(bytes: &[u8]) -> bool {
    let Ok(page) = Page::decode(bytes.to_vec().into()) else { return false };
    let again = Page::decode(encode(&page).into()).expect("a page that was read can be read again");
    assert_eq!((&again.head, &again.task, &again.records), (&page.head, &page.task, &page.records));
    for record in &page.records {
        if let Ok(reading) = Reading::decode(record.payload.clone()) {
            assert_eq!(Reading::encode(&reading.task, &reading.stats), record.payload);
        }
    }
    true
}

pub(crate) fn message(bytes: &[u8]) -> bool {
    // Each on its own: they are told apart by path, not by content.
    let taken = [
        again::<PullRequest>(bytes),
        again::<Ack>(bytes),
        again::<Refusal>(bytes),
        again::<Shard>(bytes),
        handover(bytes),
        sampling_answers(bytes),
    ];
    taken.contains(&true)
}

/// As [`again`], by text: JSON that is passed on has no other meaning.
fn handover(bytes: &[u8]) -> bool {
    let Ok(read) = serde_json::from_slice::<SamplingHandover<'_>>(bytes) else { return false };
    let written = serde_json::to_string(&read).expect("a message that was read can be written");
    let read: SamplingHandover<'_> = serde_json::from_str(&written).expect("and read again");
    assert_eq!(serde_json::to_string(&read).expect("and written again"), written);
    true
}

/// What X-Ray answers, which `scrape` passes on.
fn sampling_answers(bytes: &[u8]) -> bool {
    serde_json::from_slice::<RulesAnswer>(bytes).is_ok()
        || serde_json::from_slice::<TargetsAnswer>(bytes).is_ok()
}

/// Whether `bytes` are the message, which then must mean the same once it is written again.
fn again<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> bool {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return false };
    let written = serde_json::to_vec(&read).expect("a message that was read can be written");
    assert_eq!(serde_json::from_slice::<T>(&written).expect("and read again"), read);
    true
}

fn encode(page: &Page) -> Vec<u8> {
    let mut bytes = start_page(&page.head, &page.task, 0).expect("a head can be written");
    for record in &page.records {
        let payload_bytes = u32::try_from(record.payload.len()).expect("it came with a length of 32 bits");
        let Record { kind, sequence, arrived, .. } = *record;
        bytes.extend_from_slice(&FrameHeader { kind, sequence, arrived, payload_bytes }.encode());
        bytes.extend_from_slice(&record.payload);
    }
    bytes
}

pub(crate) fn page_seeds() -> Vec<(String, Vec<u8>)> {
    let task = one("ecs/fargate/task.json");
    let reading = Reading::encode(&task, &one("ecs/fargate/stats-1.json"));
    let some = |kind, folder| golden(folder, ".pb").into_iter().take(3).map(move |(_, bytes)| (kind, bytes));
    let all: Vec<_> = std::iter::once((Kind::Ecs, reading))
        .chain(some(Kind::OtlpMetrics, "metrics"))
        .chain(some(Kind::OtlpTraces, "traces"))
        .collect();
    [("empty", 0), ("reading", 1), ("all-kinds", all.len())]
        .map(|(name, count)| (name.to_owned(), encode(&seed_page(&task, &all[..count]))))
        .into()
}

fn seed_page(task: &[u8], payloads: &[(Kind, Vec<u8>)]) -> Page {
    let share = ShareHead { cursor: Cursor(9), remaining_records: 3, handed_out_before: Cursor(5) };
    let head = PageHead {
        version: "0.1.0".to_owned(),
        boot: BootId([7; 16]),
        now: UnixMillis(1_795_400_000_000),
        container: "43481a6ce4842eec8fe72fc28500c6b52edcc0917f105b83379f88cac1ff3946".to_owned(),
        stopping: true,
        metrics: share,
        traces: share,
        counts: Vec::new(),
        sampling: Some(SamplingHead {
            rules: None,
            batch: 3,
            statistics: vec![SamplingStatistics {
                client_id: "0123456789abcdef01234567".to_owned(),
                rule_name: "Default".to_owned(),
                timestamp: 1_795_400_000.into(),
                request_count: 7,
                sampled_count: 2,
                borrow_count: 1,
            }],
        }),
    };
    let record = |(sequence, (kind, payload)): (u64, &(Kind, Vec<u8>))| Record {
        kind: *kind,
        sequence,
        arrived: UnixMillis(1_795_399_999_000),
        payload: payload.clone().into(),
    };
    Page { head, task: task.to_vec().into(), records: (6..).zip(payloads).map(record).collect() }
}

pub(crate) fn message_seeds() -> Vec<(String, Vec<u8>)> {
    let id = "0123456789abcdef0123456789abcdef";
    let task = "arn:aws:ecs:eu-west-1:123456789012:task/shop/0123";
    [
        ("pull", format!(r#"{{"task_arn":"{task}","lease":"{id}","lease_ms":30000,"max_bytes":1048576}}"#)),
        (
            "ack",
            format!(r#"{{"task_arn":"{task}","lease":"{id}","boot":"{id}","delivered":{{"metrics":7,"traces":9}}}}"#),
        ),
        (
            "handover",
            format!(
                r#"{{"task_arn":"{task}","boot":"{id}","reported":{{"batch":3,"statistics":2}},"rules":[{{"a":1}}],"targets":[{{"client_id":"c","documents":[{{}}]}}]}}"#
            ),
        ),
        (
            "rules",
            r#"{"SamplingRuleRecords":[{"SamplingRule":{"RuleName":"Default","FixedRate":0.05}}],"NextToken":"n"}"#
                .to_owned(),
        ),
        (
            "targets",
            r#"{"SamplingTargetDocuments":[{"RuleName":"Default"}],"LastRuleModification":1.5e9}"#.to_owned(),
        ),
        ("refusal", r#"{"code":"leased","message":"another puller holds the lease"}"#.to_owned()),
        (
            "shard",
            format!(
                r#"{{"listed_at":1795400000000,"targets":[{{"task_arn":"{task}","address":"10.0.0.7","port":4319}}]}}"#
            ),
        ),
    ]
    .map(|(name, json)| (name.to_owned(), json.into_bytes()))
    .into()
}
