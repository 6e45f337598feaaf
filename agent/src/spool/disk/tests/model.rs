//! Any order of pushes, pulls, acks and restarts does what lists of records would do.

use std::collections::VecDeque;

use proptest::prelude::*;
use siphon_core::wire::{Cursor, Cursors};

use super::*;

const SHARE: usize = 640;

/// A share in the simplest words.
#[derive(Default)]
struct Model {
    records: VecDeque<(u64, Vec<u8>)>,
    next: u64,
    /// Cursors of the pages that this boot has handed out.
    pages: Vec<u64>,
    handed_out_end: u64,
}

impl Model {
    fn push(&mut self, payload: Vec<u8>) {
        self.records.push_back((self.next, payload));
        self.next += 1;
        while self.records.iter().map(|(_, payload)| FRAME_BYTES + payload.len()).sum::<usize>() > SHARE {
            self.records.pop_front();
        }
    }

    fn ack(&mut self, cursor: u64) {
        self.records.retain(|(sequence, _)| *sequence >= cursor);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(Kind, usize),
    Pull(usize),
    /// Acknowledges the cursor of that page, counted from the latest.
    Ack(usize),
    /// The agent is killed, and starts again.
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4usize, 0..300usize).prop_map(|(kind, bytes)| Step::Push(Kind::ALL[kind], bytes)),
        3 => (0..900usize).prop_map(Step::Pull),
        2 => (0..3usize).prop_map(Step::Ack),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_the_model_does(steps in proptest::collection::vec(any_step(), 1..120)) {
        let dir = Scratch::new();
        let (mut spool, _) = open(&dir, 2 * SHARE);
        let mut models = [Model::default(), Model::default()];
        let (mut taken, mut finished, mut content) = (0u64, 0u64, 0u8);
        for step in steps {
            match step {
                Step::Push(kind, bytes) => {
                    content = content.wrapping_add(1);
                    let payload = vec![content; bytes];
                    finished += push(&mut spool, kind, &payload).total();
                    models[kind.share() as usize].push(payload);
                    taken += 1;
                }
                Step::Pull(max_bytes) => {
                    let (page, lost) = pull(&mut spool, max_bytes);
                    finished += lost.total();
                    for (share, model) in Share::ALL.into_iter().zip(&mut models) {
                        let got: Vec<_> =
                            page.share(share).map(|record| (record.sequence, record.payload.to_vec())).collect();
                        let first: Vec<_> = model.records.iter().take(got.len()).cloned().collect();
                        prop_assert_eq!(got, first);
                        let head = page.head.share(share);
                        prop_assert_eq!(head.handed_out_before.0, model.handed_out_end);
                        model.handed_out_end = model.handed_out_end.max(head.cursor.0);
                        model.pages.push(head.cursor.0);
                    }
                    prop_assert_eq!(page.records.is_empty(), models.iter().all(|model| model.records.is_empty()));
                }
                Step::Ack(back) => {
                    let cursor = |model: &Model| model.pages.iter().rev().nth(back).copied().unwrap_or(0);
                    let [metrics, traces] = [cursor(&models[0]), cursor(&models[1])];
                    let acked = spool.ack(&Cursors { metrics: Cursor(metrics), traces: Cursor(traces) });
                    finished += acked.unwrap().total();
                    models[0].ack(metrics);
                    models[1].ack(traces);
                }
                Step::Restart => {
                    drop(spool);
                    let recovered;
                    (spool, recovered) = open(&dir, 2 * SHARE);
                    prop_assert_eq!((recovered.torn.total(), recovered.unowned.total()), (0, 0));
                    (taken, finished) = (recovered.records.total(), 0);
                    models.iter_mut().for_each(|model| model.pages.clear());
                }
            }
            let left: u64 = models.iter().map(|model| model.records.len() as u64).sum();
            prop_assert_eq!(spool.records(), left);
            prop_assert_eq!(taken, spool.unfinished().total() + finished, "every record is accounted for");
        }
    }
}
