//! What must hold once a schedule is over.

use std::collections::{BTreeMap, BTreeSet};

use siphon_core::wire::{Count, Kind, Share};

use crate::{
    accounts::Ends,
    datagrams::packets_key,
    ledger::{imbalance, total},
    metadata::arn,
    sender::{Answer, Sent},
    stored::Stored,
    view::{Content, Sample, View},
    world::{Life, World},
};

/// How a schedule's data fared: samples and spans.
#[derive(Clone, Copy, Debug, Default)]
#[expect(dead_code, reason = "printed")]
pub(crate) struct Sum {
    samples: usize,
    spans: usize,
    /// Those that went with agents that were killed.
    killed: usize,
    /// Those that spools had no room for, as their agents counted.
    evicted: usize,
}

impl World {
    /// How the data fared, and everything that is wrong.
    pub(crate) fn check(&mut self, stored: &Stored) -> (Sum, Vec<String>) {
        let samples = stored.samples.values().map(|points| points.len()).sum();
        let mut sum = Sum { samples, spans: stored.spans.len(), ..Sum::default() };
        let mut problems = self.backend.disorder();
        problems.extend(stored.refused.iter().cloned());
        problems.extend(self.function.faults());
        let mut sent_by_all = BTreeSet::new();
        for life in self.lives() {
            let sent = life.sender.sent();
            let found = life.check(&sent, stored, &mut sum);
            problems.extend(found.into_iter().map(|problem| format!("task {}: {problem}", life.task)));
            let may_be_taken = sent.into_iter().filter(|one| one.answer != Answer::Refused);
            let task = arn(life.task);
            sent_by_all.extend(may_be_taken.flat_map(|one| one.samples).map(|sample| (task.clone(), sample)));
            let view = life.agent.upstream.view.lock().unwrap();
            sent_by_all.extend(view.made().map(|sample| (task.clone(), sample.clone())));
        }
        problems.extend(self.more_stored_than_there_is(stored));
        let strangers = stored.all_samples().filter(|sample| !sent_by_all.contains(sample));
        problems.extend(strangers.map(|sample| format!("stored, and no agent has taken it: {sample:?}")));
        (sum, problems)
    }
}

impl World {
    /// Tasks of which acks say that more is stored than the receiver has.
    fn more_stored_than_there_is(&mut self, stored: &Stored) -> Vec<String> {
        let mut told = BTreeMap::<u32, u64>::new();
        // What is refused as a repeat may count as stored, poison too.
        for life in self.lives().filter(|life| !life.is_poisonous) {
            let view = life.agent.upstream.view.lock().unwrap();
            let ends = view.acks.iter().filter(|ack| ack.is_new).map(|ack| ack.ends(Share::Metrics).stored);
            *told.entry(life.task).or_default() += ends.sum::<u64>();
        }
        let more = told.into_iter().filter_map(|(task, told)| {
            let there = stored.samples_of(&arn(task))?;
            (told > there).then(|| format!("task {task}: {told} samples count as stored, {there} are"))
        });
        more.collect()
    }
}

impl Life {
    fn check(&mut self, sent: &[Sent], stored: &Stored, sum: &mut Sum) -> Vec<String> {
        let task = arn(self.task);
        let mut problems = std::mem::take(&mut self.problems);
        let view = self.agent.upstream.view.lock().unwrap();
        problems.extend(view.problems.iter().cloned());
        problems.extend(view.acked().filter_map(|record| lost(record, &task, stored)));
        problems.extend(view.acks.iter().flat_map(|ack| ack.problems(&task, stored)));
        let taken = sent.iter().filter(|one| one.answer == Answer::Taken);
        let missing: Vec<_> = taken.filter(|one| !stored.has(&task, one)).collect();
        let items = missing.iter().map(|one| one.samples.len() + one.spans.len()).sum::<usize>();
        if self.is_killed {
            sum.killed += items;
            if !self.may_lose {
                problems.extend(missing.first().map(|one| format!("not found after a new start: {one:?}")));
            }
            return problems;
        }
        sum.evicted += items;
        match self.agent.last_ledger() {
            Some(ledger) => {
                problems.extend(check_ends(&ledger, &view));
                problems.extend(self.check_ledger(&ledger, sent, &missing));
                problems.extend(self.check_datagrams(&ledger, sent, stored));
            }
            None => problems.push("the agent has ended without its ledger".to_owned()),
        }
        problems
    }

    /// Of an agent that has ended when it was told to. `missing` was taken, and is not stored.
    fn check_ledger(&self, ledger: &[Count], sent: &[Sent], missing: &[&Sent]) -> Vec<String> {
        let mut problems = imbalance(ledger);
        for kind in [Kind::OtlpMetrics, Kind::OtlpTraces, Kind::XraySegment] {
            let count = |event| total(ledger, event, kind.name());
            let of_kind = |answer| sent.iter().filter(move |one| one.kind == kind && one.answer == answer);
            let taken = of_kind(Answer::Taken).count() as u64;
            let unknown = of_kind(Answer::None).count() as u64;
            let accepted = count("accepted_records");
            if !self.is_heir && !(taken..=taken + unknown).contains(&accepted) {
                problems.push(format!("{kind:?}: {accepted} accepted, but {taken} answers of 200"));
            }
            let lost = missing.iter().filter(|one| one.kind == kind).count() as u64;
            if lost > count("dropped_records") {
                problems.push(format!(
                    "{kind:?}: {lost} lost, but {} counted: {missing:?}",
                    count("dropped_records")
                ));
            }
            if count("buffered_records") > 0 {
                problems.push(format!("{kind:?}: {} were left at the end", count("buffered_records")));
            }
        }
        let refused = total(ledger, "refused_samples", "metrics");
        if refused > 0 && !self.is_poisonous {
            problems.push(format!("{refused} good samples count as refused: {ledger:?}"));
        }
        problems
    }

    /// Of what gets no answer: what the agent counts as taken is stored, or counts as dropped.
    fn check_datagrams(&self, ledger: &[Count], sent: &[Sent], stored: &Stored) -> Vec<String> {
        let count = |event, kind: Kind| total(ledger, event, kind.name());
        let documents = sent.iter().filter(|one| one.kind == Kind::XraySegment);
        let there =
            documents.filter(|one| one.spans.iter().all(|id| stored.spans.contains(id))).count() as u64;
        let taken = count("accepted_records", Kind::XraySegment);
        let mut problems = Vec::new();
        if !self.is_heir && there + count("dropped_records", Kind::XraySegment) < taken {
            problems.push(format!("{taken} documents are taken, {there} are stored: {ledger:?}"));
        }
        let lines = count("accepted_lines", Kind::Statsd);
        let counter = stored.latest(&arn(self.task), &packets_key(&self.id)).unwrap_or_default();
        // Each packet has two lines. The latest value goes last.
        if count("dropped_records", Kind::Statsd) == 0 && 2.0 * counter != lines as f64 {
            problems.push(format!("{lines} lines are taken, and the counter is at {counter}: {ledger:?}"));
        }
        if lines > 2 * self.sender.packets() {
            problems.push(format!("{lines} lines are taken of {} packets", self.sender.packets()));
        }
        problems
    }
}

/// What the agent counts as the ends of what it has handed out is what acks have said, each once.
fn check_ends(ledger: &[Count], view: &View) -> Vec<String> {
    let acks = || view.acks.iter().filter(|ack| ack.is_new);
    let ends = Share::ALL.into_iter().filter_map(|share| {
        let told = acks().map(|ack| ack.ends(share)).fold(Ends::default(), Ends::plus);
        let counted = Ends::of(share, ledger);
        (told != counted).then(|| format!("{share:?}: acks tell of {told:?}, the ledger of {counted:?}"))
    });
    let twice =
        acks().filter(|ack| !ack.is_all_new).map(|ack| format!("counts in part again: {:?}", ack.told));
    ends.chain(twice).collect()
}

/// What an acknowledged record lacks in the receivers.
fn lost(record: &Content, task: &str, stored: &Stored) -> Option<String> {
    let mut samples = record.samples.iter().chain(&record.made);
    let sample: Option<&Sample> = samples.find(|sample| !stored.has_sample(task, sample));
    let span = record.spans.iter().find(|id| !stored.spans.contains(*id));
    let reading = record.reading.filter(|at| !stored.has_reading(task, *at));
    let is_lost = sample.is_some() || span.is_some() || reading.is_some();
    is_lost.then(|| format!("acknowledged but not stored: {sample:?} {span:?} {reading:?}"))
}
