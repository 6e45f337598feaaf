//! Files of any content: an agent starts from them, and hands out nothing that was not stored.

use proptest::prelude::*;

use super::{
    damage::{MAX_BYTES, account, three_records},
    *,
};

fn any_head() -> impl Strategy<Value = Head> {
    let number = || prop_oneof![4 => 0..5u64, 1 => Just(u64::MAX)];
    let place = prop_oneof![Just(0), Just(FRAME_BYTES + 5), 0..1100usize];
    let life = prop_oneof![4 => 0..3u32, 1 => Just(u32::MAX)];
    (number(), life, 900..1100usize, place, (number(), 0..5u64, number()), number()).prop_map(
        |(turn, life, capacity, start, (oldest, records, handed_out_end), owned_end)| {
            let mut by_kind = Tally::default();
            by_kind.add(Kind::Ecs, records);
            let saved = Saved { oldest, next: oldest.saturating_add(records), handed_out_end, by_kind };
            Head { turn, life, capacity, start, saved, owner: TASK.to_owned(), owned_end }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_head_can_be_started_from(head in any_head()) {
        let (dir, mut bytes) = three_records(false);
        bytes[..8192].fill(0);
        let head = head.encode();
        bytes[..head.len()].copy_from_slice(&head);
        account(&dir, &bytes);
        let (mut spool, _) = open(&dir, MAX_BYTES);
        push(&mut spool, Kind::Ecs, b"new");
        let records = drain(&mut spool);
        prop_assert_eq!(payloads(&records), [b"new"]);
    }

    #[test]
    fn any_file_can_be_opened_and_used(
        head in proptest::collection::vec(any::<u8>(), 0..64),
        (at, noise) in (0usize..9500, proptest::collection::vec(any::<u8>(), 1..200)),
        keep_heads in any::<bool>(),
    ) {
        let (dir, mut bytes) = three_records(true);
        if !keep_heads {
            bytes[..head.len()].copy_from_slice(&head);
            bytes[4096..4096 + head.len()].copy_from_slice(&head);
        }
        let at = at.min(bytes.len());
        let end = bytes.len().min(at + noise.len());
        bytes[at..end].copy_from_slice(&noise[..end - at]);
        let (records, ..) = account(&dir, &bytes);
        let known = [&b"first"[..], b"second", b"third"];
        prop_assert!(payloads(&records).iter().all(|payload| known.contains(payload)));
        let (mut spool, recovered) = open(&dir, MAX_BYTES);
        prop_assert_eq!(recovered.records.total(), 0);
        push(&mut spool, Kind::Ecs, &[7; 900]);
        prop_assert_eq!(drain(&mut spool).len(), 1);
    }
}
