//! Delivers one page: metrics and traces at once, each in order, as far as its receiver takes them.

use std::time::Duration;

use futures_util::future::join;
use siphon_core::{
    amp::Limiter,
    remote_write::Limits,
    series::Ends,
    units::UnixMillis,
    wire::{Cursor, Cursors, Page, Share},
    xray::Document,
};
use tokio::time::Instant;
use tracing::{error, warn};

use crate::{
    amp::{Amp, WriteError},
    export::{Completes, Delivery, Export, Outgoing, SpansOrSegments},
    exported::Exported,
    report::{Reasons, Tally},
    sampling::Sampling,
    settings::Config,
    time::{Deadline, now},
    traces::{PutError, Traces},
};

/// Records that can't be read and are named in the log, of one kind and page. All are counted.
const MOST_NAMED: u64 = 8;

/// Where data goes.
pub struct Receivers {
    /// Metrics.
    pub amp: Amp,
    /// Traces.
    pub traces: Traces,
    /// What X-Ray says of sampling.
    pub sampling: Sampling,
}

/// Shares whose receiver fails. They are left alone for the rest of a drain, so that the other share goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stuck {
    /// Prometheus fails.
    pub metrics: bool,
    /// X-Ray fails.
    pub traces: bool,
}

impl Stuck {
    /// Whether `share` is stuck.
    #[must_use]
    pub const fn is(self, share: Share) -> bool {
        match share {
            Share::Metrics => self.metrics,
            Share::Traces => self.traces,
        }
    }
}

/// How delivering one page went.
#[derive(Debug, Default)]
pub struct Round {
    /// What may be acknowledged.
    pub delivered: Cursors,
    /// What became of that.
    pub exported: Exported,
    /// What was done.
    pub tally: Tally,
    /// What is stuck from now on.
    pub stuck: Stuck,
    /// A receiver refuses this function.
    pub misconfigured: bool,
}

/// How long a page may be tried.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Nothing is written later.
    pub deadline: Deadline,
    /// Nor is a share tried for longer: the other one's ack waits for it.
    pub each: Duration,
}

impl Patience {
    /// When to give up `share`. While the other share has more to hand out, half of the time left: the next page comes
    /// only when both are done with this one.
    fn end(self, page: &Page, share: Share, stuck: Stuck) -> Deadline {
        let other_waits = Share::ALL
            .into_iter()
            .any(|other| other != share && !stuck.is(other) && page.head.share(other).remaining_records > 0);
        let left = self.deadline.left();
        Deadline::after(self.each.min(if other_waits { left / 2 } else { left }))
    }
}

/// Writes `page` within `patience`, but for what is `stuck` already. With `counts` the agent's own counters go along;
/// `ends` is that of the drain.
pub async fn deliver(
    page: &Page,
    config: &Config,
    receivers: &Receivers,
    patience: Patience,
    counts: bool,
    stuck: Stuck,
    ends: &mut Ends,
) -> Round {
    let limiter = config.amp_limits.then(|| Limiter::new(now()));
    let round = Delivering { page, export: Export::new(page, &config.translation), received: Instant::now() };
    let end = |share| patience.end(page, share, stuck);
    let metrics = async {
        if stuck.metrics {
            Written::stuck()
        } else {
            round.metrics(&receivers.amp, end(Share::Metrics), limiter, counts, ends).await
        }
    };
    let traces = async {
        if stuck.traces {
            Written::stuck()
        } else {
            round.traces(&receivers.traces, end(Share::Traces)).await
        }
    };
    let (metrics, traces) = join(metrics, traces).await;
    let (mut tally, mut exported) = (metrics.tally, metrics.exported);
    tally.merge(traces.tally);
    exported.merge(traces.exported);
    Round {
        delivered: Cursors { metrics: metrics.cursor, traces: traces.cursor },
        exported,
        tally,
        stuck: Stuck { metrics: metrics.failed, traces: traces.failed },
        misconfigured: metrics.misconfigured || traces.misconfigured,
    }
}

/// How far one share came.
#[derive(Debug, Default)]
struct Written {
    /// 0 until a record is done: a cursor behind the agent's changes nothing.
    cursor: Cursor,
    exported: Exported,
    /// What became of the parts of a record that isn't done. Should a later part fail, all of it comes again.
    open: Exported,
    tally: Tally,
    failed: bool,
    misconfigured: bool,
}

impl Written {
    fn stuck() -> Self {
        Self { failed: true, ..Self::default() }
    }

    fn fail(mut self, reason: &'static str, misconfigured: bool) -> Self {
        self.tally.writes_failed.add(reason, 1);
        Self { failed: true, misconfigured, ..self }
    }
}

/// A page on its way.
struct Delivering<'a> {
    page: &'a Page,
    export: Export<'a>,
    received: Instant,
}

impl Delivering<'_> {
    async fn metrics(
        &self,
        amp: &Amp,
        deadline: Deadline,
        limiter: Option<Limiter>,
        counts: bool,
        ends: &mut Ends,
    ) -> Written {
        let mut written = Written::default();
        let mut deliveries = self.export.metrics(limiter, counts, Limits::default(), amp.version(), ends);
        while let Some(Delivery { items, completes }) = deliveries.next() {
            let mut tally = Tally::default();
            match write_all(amp, items, deadline, &mut tally).await {
                Ok(()) => {}
                Err(WriteError::Unclear) => {
                    deliveries.take_apart(); // what became of some of it is counted again
                    continue;
                }
                Err(error @ WriteError::Misconfigured(_)) => {
                    written.tally.merge(tally);
                    error!(%error, "metrics stay with the agent");
                    return written.fail("prometheus_misconfigured", true);
                }
                Err(error @ WriteError::OutOfTime(_)) => {
                    written.tally.merge(tally);
                    warn!(%error, "metrics stay with the agent");
                    return written.fail("prometheus_unavailable", false);
                }
            }
            let ends_of_samples = [
                tally.samples,
                tally.samples_rejected.total(),
                tally.samples_dropped.total(),
                completes.dropped.total(),
            ];
            check_sum(completes.samples, &ends_of_samples, &mut tally);
            written.open.metrics(&completes, &tally);
            written.tally.merge(tally);
            let dropped = self.finish(completes, &mut written);
            written.tally.samples_dropped.merge(dropped);
        }
        written
    }

    async fn traces(&self, traces: &Traces, deadline: Deadline) -> Written {
        let Traces { segments, otlp } = traces;
        match otlp {
            None => {
                let put = async |items: Vec<Document>, tally: &mut Tally| {
                    let sent = items.len();
                    segments.put(items, deadline, tally).await.map(|()| sent)
                };
                let deliveries = self.export.segments();
                self.put_all(deliveries.map(|Delivery { items, completes }| (items, completes)), put).await
            }
            Some(otlp) => {
                let put = async |traces, tally: &mut Tally| match traces {
                    SpansOrSegments::Spans(items) => {
                        let sent = items.len();
                        otlp.put(items, deadline, tally).await.map(|()| sent)
                    }
                    SpansOrSegments::Segments(items) => {
                        let sent = items.len();
                        segments.put(items, deadline, tally).await.map(|()| sent)
                    }
                };
                self.put_all(self.export.spans(), put).await
            }
        }
    }

    async fn put_all<T>(
        &self,
        deliveries: impl Iterator<Item = (T, Completes)>,
        put: impl AsyncFn(T, &mut Tally) -> Result<usize, PutError>,
    ) -> Written {
        let mut written = Written::default();
        for (traces, completes) in deliveries {
            let mut tally = Tally::default();
            match put(traces, &mut tally).await {
                Ok(sent) => {
                    let refused = tally.segments_rejected.total() + tally.spans_rejected.total();
                    check_sum(sent as u64, &[tally.segments, tally.spans, refused], &mut tally);
                    written.open.traces(&completes, &tally);
                    written.tally.merge(tally);
                }
                Err(error) => {
                    written.tally.merge(tally);
                    if matches!(error, PutError::Misconfigured(_)) {
                        error!(%error, "traces stay with the agent");
                        return written.fail("xray_misconfigured", true);
                    }
                    warn!(%error, "traces stay with the agent");
                    return written.fail("xray_unavailable", false);
                }
            }
            let dropped = self.finish(completes, &mut written);
            written.tally.spans_dropped.merge(dropped);
        }
        written
    }

    /// These records are dealt with for good. Gives what they lost in translation.
    fn finish(&self, records: Completes, written: &mut Written) -> Reasons {
        if let Some(through) = records.through {
            written.cursor = through;
            written.exported.merge(std::mem::take(&mut written.open));
        }
        written.tally.records += records.arrived.len() as u64;
        written.tally.segments_shortened += records.shortened;
        written.tally.samples_trimmed.merge(records.trimmed);
        written.tally.exemplars_dropped.merge(records.exemplars);
        for bad in records.bad {
            let (kind, sequence) = (bad.kind.name(), bad.sequence);
            if written.tally.records_bad.get(kind) < MOST_NAMED {
                let (error, start) = (bad.error, bad.start);
                warn!(kind, sequence, error, start, "record can't be read and is given up");
            }
            written.tally.records_bad.add(kind, 1);
        }
        for drop in records.dropped_spans {
            let (reason, spans) = (drop.reason, drop.spans);
            for span in drop.named {
                let (name, id, trace_id) = (span.name, span.id, span.trace_id);
                warn!(reason, span_name = name, id, trace_id, of_spans = spans, "span is dropped");
            }
        }
        let stored = self.agent_time();
        let ages = records.arrived.into_iter().map(|at| u64::try_from(stored.since(at)).unwrap_or(0));
        written.tally.freshness.extend(ages);
        records.dropped
    }

    /// Now, by the agent's clock: what both clocks differ by is no age.
    fn agent_time(&self) -> UnixMillis {
        self.page.head.now.plus(millis(self.received.elapsed()))
    }
}

async fn write_all(
    amp: &Amp,
    items: Vec<Outgoing>,
    deadline: Deadline,
    tally: &mut Tally,
) -> Result<(), WriteError> {
    for outgoing in items {
        amp.write(outgoing, deadline, tally).await?;
    }
    Ok(())
}

/// Every sample, document or span of a delivery has one end. If not, Siphon is at fault, and someone should know.
fn check_sum(sent: u64, ends: &[u64], tally: &mut Tally) {
    let ended: u64 = ends.iter().sum();
    if sent != ended {
        error!(sent, ended, "a delivery does not add up; please report this");
        tally.ledger_unbalanced.add("delivery", 1);
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
