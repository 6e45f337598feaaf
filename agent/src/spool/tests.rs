use std::collections::VecDeque;

use bytes::Bytes;
use proptest::prelude::*;
use siphon_core::wire::{BootId, Cursor, Page, PageHead, Record, start_page};

use super::*;

fn page(spool: &mut Spool, max_bytes: usize) -> Page {
    pull(spool, max_bytes).0
}

/// A page, and what was lost of the page before it.
pub(super) fn pull(spool: &mut Spool, max_bytes: usize) -> (Page, Tally) {
    let selection = spool.select(max_bytes);
    let head = PageHead {
        version: String::new(),
        boot: BootId([0; 16]),
        now: UnixMillis(0),
        container: String::new(),
        stopping: false,
        metrics: selection.metrics_head,
        traces: selection.traces_head,
        counts: Vec::new(),
        sampling: None,
    };
    let mut bytes = start_page(&head, b"", selection.bytes()).unwrap();
    let head_bytes = bytes.len();
    spool.copy(&selection, &mut bytes).unwrap();
    assert_eq!(bytes.len() - head_bytes, selection.bytes());
    let page = Page::decode(bytes.into()).unwrap();
    assert_eq!(tally(page.records.iter()), selection.handed_out);
    (page, selection.lost)
}

fn of(tally: &Tally, kind: Kind) -> u64 {
    tally.by_kind().find(|(k, _)| *k == kind).map_or(0, |(_, count)| count)
}

fn tally<'a>(records: impl Iterator<Item = &'a Record>) -> Tally {
    records.fold(Tally::default(), |mut tally, record| {
        tally.add(record.kind, 1);
        tally
    })
}

pub(super) fn cursors(page: &Page) -> Cursors {
    Cursors { metrics: page.head.metrics.cursor, traces: page.head.traces.cursor }
}

fn push(spool: &mut Spool, kind: Kind, payload: usize) -> Tally {
    spool.push(kind, UnixMillis(0), &vec![7; payload]).unwrap()
}

#[test]
fn what_is_not_acknowledged_is_handed_out_again() {
    let mut spool = Spool::new(4096);
    push(&mut spool, Kind::Ecs, 10);
    push(&mut spool, Kind::OtlpTraces, 10);
    let first = page(&mut spool, 1000);
    push(&mut spool, Kind::OtlpMetrics, 10);
    let again = page(&mut spool, 1000);
    assert_eq!(again.records, first.records, "as it was: what came since waits");
    assert_eq!(
        (first.head.metrics.handed_out_before, again.head.metrics.handed_out_before),
        (Cursor(0), Cursor(1))
    );
    assert_eq!(again.head.metrics.remaining_records, 1);
    assert_eq!(spool.ack(&cursors(&first)).unwrap().total(), 2);
    let rest = page(&mut spool, 1000);
    assert_eq!(
        (rest.records.len(), rest.records[0].kind, rest.records[0].sequence),
        (1, Kind::OtlpMetrics, 1)
    );
    spool.ack(&cursors(&rest)).unwrap();
    assert_eq!(spool.records(), 0);
}

#[test]
fn an_old_ack_changes_nothing_and_one_for_the_future_is_refused_whole() {
    let mut spool = Spool::new(4096);
    push(&mut spool, Kind::Ecs, 10);
    push(&mut spool, Kind::OtlpTraces, 10);
    let page = page(&mut spool, 1000);
    push(&mut spool, Kind::OtlpTraces, 10);
    let beyond = Cursors { traces: Cursor(2), ..cursors(&page) };
    assert_eq!((spool.ack(&beyond), spool.records()), (Err(BeyondHandedOut), 3));
    assert_eq!(spool.ack(&cursors(&page)).unwrap().total(), 2);
    assert_eq!(spool.ack(&Cursors::default()).unwrap().total(), 0);
}

#[test]
fn a_full_share_loses_its_oldest_and_leaves_the_other_alone() {
    let mut spool = Spool::new(400);
    let frame = 100 - FRAME_HEADER_BYTES;
    push(&mut spool, Kind::Ecs, frame);
    push(&mut spool, Kind::OtlpMetrics, frame);
    assert_eq!(push(&mut spool, Kind::OtlpTraces, frame).total(), 0);
    let lost = push(&mut spool, Kind::OtlpMetrics, 0);
    assert_eq!((of(&lost, Kind::Ecs), lost.total()), (1, 1));
    let page = page(&mut spool, 1000);
    let sequences: Vec<_> = page.records.iter().map(|r| (r.kind, r.sequence)).collect();
    assert_eq!(sequences, [(Kind::OtlpMetrics, 1), (Kind::OtlpMetrics, 2), (Kind::OtlpTraces, 0)]);
}

#[test]
fn a_record_of_the_whole_share_fits_and_one_byte_more_does_not() {
    let mut spool = Spool::new(400);
    assert_eq!(Spool::payload_limit(400, false), 200 - FRAME_HEADER_BYTES);
    push(&mut spool, Kind::Ecs, 0);
    let error = spool.push(Kind::Ecs, UnixMillis(0), &[0; 200 - FRAME_HEADER_BYTES + 1]).unwrap_err();
    assert_eq!(error.to_string(), "a record of 201 bytes does not fit into its share of 200 bytes");
    assert_eq!(spool.records(), 1, "nothing was lost for it");
    assert_eq!(push(&mut spool, Kind::Ecs, 200 - FRAME_HEADER_BYTES).total(), 1);
    assert_eq!(page(&mut spool, 1).records.len(), 1, "handed out whatever the limit");
}

#[test]
fn what_is_evicted_while_its_delivery_is_open_counts_once() {
    let mut spool = Spool::new(200);
    push(&mut spool, Kind::Ecs, 100 - FRAME_HEADER_BYTES);
    let delivered = page(&mut spool, 1000);
    assert_eq!(push(&mut spool, Kind::OtlpMetrics, 50).total(), 0, "not lost yet");
    assert_eq!(of(&spool.ack(&cursors(&delivered)).unwrap(), Kind::Ecs), 1, "delivered after all");

    let lost = page(&mut spool, 1000);
    assert_eq!(push(&mut spool, Kind::Ecs, 79).total(), 0);
    assert_eq!(of(&spool.select(1000).lost, Kind::OtlpMetrics), 1, "no ack came before the next page");
    assert_eq!(spool.ack(&cursors(&lost)).unwrap().total(), 0);
}

#[test]
fn an_ack_of_a_part_of_a_page_counts_what_of_it_is_evicted_already() {
    let mut spool = Spool::new(400);
    push(&mut spool, Kind::Ecs, 100 - FRAME_HEADER_BYTES);
    push(&mut spool, Kind::OtlpMetrics, 100 - FRAME_HEADER_BYTES);
    page(&mut spool, 1000);
    push(&mut spool, Kind::Statsd, 200 - FRAME_HEADER_BYTES);
    let first = spool.ack(&Cursors { metrics: Cursor(1), ..Cursors::default() }).unwrap();
    assert_eq!((of(&first, Kind::Ecs), first.total()), (1, 1));
    assert_eq!(of(&spool.unfinished(), Kind::OtlpMetrics), 1);
    assert_eq!(of(&spool.select(1000).lost, Kind::OtlpMetrics), 1, "the other's delivery was not told");
}

#[test]
fn a_page_is_repeated_whole_or_in_a_later_page() {
    let mut spool = Spool::new(4096);
    let frame = 100 - FRAME_HEADER_BYTES;
    (0..6).for_each(|_| _ = push(&mut spool, Kind::OtlpTraces, frame));
    let sequences = |page: &Page| page.share(Share::Traces).map(|r| r.sequence).collect::<Vec<_>>();
    assert_eq!(sequences(&page(&mut spool, 400)), [0, 1, 2, 3]);
    spool.ack(&Cursors { traces: Cursor(1), ..Cursors::default() }).unwrap();
    push(&mut spool, Kind::Ecs, 100 + frame);
    // Traces choose first, then metrics, which leave no room for the three that were handed out.
    assert_eq!(sequences(&page(&mut spool, 400)), [1, 2, 3]);
    assert_eq!(sequences(&page(&mut spool, 400)), [0u64; 0]);
    assert_eq!(sequences(&page(&mut spool, 400)), [1, 2, 3]);
    spool.ack(&Cursors { traces: Cursor(4), ..Cursors::default() }).unwrap();
    assert_eq!(sequences(&page(&mut spool, 1000)), [4, 5]);
    assert_eq!(sequences(&page(&mut spool, 120)), [4], "a puller that takes less gets less");
}

#[test]
fn neither_share_starves_the_other() {
    for (stuck, moving) in [(Kind::OtlpTraces, Kind::OtlpMetrics), (Kind::OtlpMetrics, Kind::OtlpTraces)] {
        let mut spool = Spool::new(20_000);
        for _ in 0..80 {
            push(&mut spool, stuck, 100);
        }
        // Too large for half a page, and for a whole one.
        push(&mut spool, moving, 700);
        push(&mut spool, moving, 1500);
        push(&mut spool, moving, 1);
        for _ in 0..6 {
            let page = page(&mut spool, 1000);
            let mut delivered = cursors(&page);
            *delivered.get_mut(stuck.share()) = Cursor(0);
            spool.ack(&delivered).unwrap();
        }
        assert_eq!(spool.queue(moving.share()).records(), 0, "{moving:?}");
        assert_eq!(spool.queue(stuck.share()).records(), 80, "{stuck:?}");
    }
}

/// What the spool must do, in the simplest words: lists of records, no bytes.
#[derive(Default)]
struct Model {
    records: VecDeque<Record>,
    next: u64,
    pages: Vec<u64>,
    accepted: u64,
    lost: u64,
    delivered: u64,
    open: Vec<u64>,
}

impl Model {
    fn bytes(&self) -> usize {
        self.records.iter().map(|r| FRAME_HEADER_BYTES + r.payload.len()).sum()
    }

    fn push(&mut self, kind: Kind, payload: Bytes, capacity: usize) {
        let sequence = self.next;
        (self.next, self.accepted) = (self.next + 1, self.accepted + 1);
        self.records.push_back(Record { kind, sequence, arrived: UnixMillis(1), payload });
        while self.bytes() > capacity {
            let gone = self.records.pop_front().unwrap().sequence;
            if self.pages.last().is_some_and(|end| gone < *end) {
                self.open.push(gone);
            } else {
                self.lost += 1;
            }
        }
    }

    fn ack(&mut self, cursor: u64) {
        let open = self.open.len();
        self.open.retain(|sequence| *sequence >= cursor);
        self.delivered += (open - self.open.len()) as u64;
        while self.records.front().is_some_and(|record| record.sequence < cursor) {
            self.records.pop_front();
            self.delivered += 1;
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(Kind, usize),
    Pull(usize),
    /// Acknowledges the cursor of that page, counted from the latest.
    Ack(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3usize, 0..300usize).prop_map(|(kind, bytes)| Step::Push(Kind::ALL[kind], bytes)),
        2 => (0..900usize).prop_map(Step::Pull),
        1 => (0..3usize).prop_map(Step::Ack),
    ]
}

const SHARE: usize = 512;

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_the_model_does(steps in proptest::collection::vec(any_step(), 1..120)) {
        let mut spool = Spool::new(2 * SHARE);
        let mut models = [Model::default(), Model::default()];
        let (mut lost, mut delivered, mut content) = (0, 0, 0u8);
        for step in steps {
            match step {
                Step::Push(kind, bytes) => {
                    content = content.wrapping_add(1);
                    let payload = Bytes::from(vec![content; bytes]);
                    lost += spool.push(kind, UnixMillis(1), &payload).unwrap().total();
                    models[kind.share() as usize].push(kind, payload, SHARE);
                }
                Step::Pull(max_bytes) => {
                    let (page, lost_of_last) = pull(&mut spool, max_bytes);
                    lost += lost_of_last.total();
                    let mut bytes = 0;
                    for (share, model) in Share::ALL.into_iter().zip(&mut models) {
                        model.lost += model.open.drain(..).count() as u64;
                        let got: Vec<_> = page.share(share).cloned().collect();
                        prop_assert_eq!(&got, &model.records.iter().take(got.len()).cloned().collect::<Vec<_>>());
                        let head = page.head.share(share);
                        prop_assert_eq!(head.remaining_records, (model.records.len() - got.len()) as u64);
                        let oldest = model.records.front().map_or(model.next, |record| record.sequence);
                        prop_assert_eq!(head.cursor.0, oldest + got.len() as u64);
                        let before = model.pages.iter().copied().max().unwrap_or(0);
                        prop_assert_eq!(head.handed_out_before.0, before);
                        prop_assert!(oldest >= before || head.cursor.0 <= before, "old and new in one page");
                        model.pages.push(head.cursor.0);
                        bytes += got.iter().map(|r| FRAME_HEADER_BYTES + r.payload.len()).sum::<usize>();
                    }
                    prop_assert!(bytes <= max_bytes || page.records.len() == 1);
                    prop_assert_eq!(page.records.is_empty(), models.iter().all(|model| model.records.is_empty()));
                }
                Step::Ack(back) => {
                    let cursor = |model: &Model| Cursor(model.pages.iter().rev().nth(back).copied().unwrap_or(0));
                    let acked = Cursors { metrics: cursor(&models[0]), traces: cursor(&models[1]) };
                    delivered += spool.ack(&acked).unwrap().total();
                    models[0].ack(acked.metrics.0);
                    models[1].ack(acked.traces.0);
                }
            }
            prop_assert_eq!(lost, models.iter().map(|model| model.lost).sum::<u64>());
            prop_assert_eq!(delivered, models.iter().map(|model| model.delivered).sum::<u64>());
            prop_assert_eq!(spool.records(), models.iter().map(|model| model.records.len() as u64).sum::<u64>());
        }
        let open: u64 = models.iter().map(|model| model.open.len() as u64).sum();
        let accepted: u64 = models.iter().map(|model| model.accepted).sum();
        prop_assert_eq!(spool.unfinished().total(), spool.records() + open);
        prop_assert_eq!(accepted, spool.unfinished().total() + lost + delivered, "every record is accounted for");
    }
}
