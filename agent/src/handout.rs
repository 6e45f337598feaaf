//! What an authentic puller gets: pages under a lease, and acks that drop what is delivered.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use log::error;
use serde::Deserialize;
use siphon_core::{
    statsd::Flush,
    wire::{
        Ack, BootId, PAGE_BYTES, PageHead, PullRequest, Refusal, RefusalCode, SamplingHandover, start_page,
    },
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    agent::{Agent, now},
    lease::{Lease, Leased},
    ledger::Loss,
    sampling::HandoverError,
    spool::{Selection, Spool},
};

/// Hands out the agent's spool, one page at a time.
pub struct Handout {
    agent: Rc<Agent>,
    lease: RefCell<Lease>,
    /// Taken while a page is in memory.
    place: Arc<Semaphore>,
}

/// A page on its way out. Its place is free again once it is sent or given up.
struct OutgoingPage {
    bytes: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for OutgoingPage {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Handout {
    /// Hands out what `agent` spools.
    #[must_use]
    pub fn new(agent: Rc<Agent>) -> Self {
        Self { agent, lease: RefCell::default(), place: Arc::new(Semaphore::new(1)) }
    }

    /// The page that a [`PullRequest`] gets.
    ///
    /// # Errors
    /// The refusal that it gets instead.
    pub fn pull(&self, body: &[u8]) -> Result<Bytes, Refusal> {
        let request: PullRequest = parse(body)?;
        let task = self.task_if(&request.task_arn)?;
        let (mut lease, now) = (self.lease.borrow_mut(), Instant::now());
        lease.check(request.lease, now).map_err(leased)?;
        let place = Arc::clone(&self.place).try_acquire_owned().map_err(|_| {
            refusal(RefusalCode::Busy, "the page before this one is still being sent; try again".to_owned())
        })?;
        self.agent.seal_scrapes();
        let (bytes, records) = self.page(&task, request.max_bytes)?;
        if records > 0 || request.keep_lease {
            lease.grant(request.lease, Duration::from_millis(request.lease_ms), now);
        } else {
            // Nothing was handed out, so there is nothing to keep others from.
            lease.release(request.lease);
        }
        Ok(Bytes::from_owner(OutgoingPage { bytes, _place: place }))
    }

    /// Does what an [`Ack`] says.
    ///
    /// # Errors
    /// The refusal that it gets instead.
    pub fn ack(&self, body: &[u8]) -> Result<(), Refusal> {
        let ack: Ack = parse(body)?;
        self.task_if(&ack.task_arn)?;
        self.boot_if(ack.boot)?;
        // Its records are another's to deliver by now, who will say what became of them: counted twice otherwise.
        self.lease.borrow().check(ack.lease, Instant::now()).map_err(leased)?;
        let acked = self.agent.spool.borrow_mut().ack(&ack.delivered);
        let acked = acked.map_err(|error| {
            refusal(RefusalCode::BeyondHandedOut, format!("{error}; take the cursors from a page's head"))
        })?;
        let mut ledger = self.agent.ledger.borrow_mut();
        ledger.acked(&acked);
        if acked.total() > 0 {
            ledger.exported(&ack.exported); // once: an ack that comes twice acknowledges nothing
        }
        if !ack.keep_lease {
            self.lease.borrow_mut().release(ack.lease);
        }
        self.agent.removed.notify_one();
        Ok(())
    }

    /// Takes over what a [`SamplingHandover`] brings.
    ///
    /// # Errors
    /// The refusal that it gets instead.
    pub fn take_sampling(&self, body: &[u8]) -> Result<(), Refusal> {
        let handover: SamplingHandover<'_> = parse(body)?;
        self.task_if(&handover.task_arn)?;
        self.boot_if(handover.boot)?;
        let taken = self.agent.sampling.borrow_mut().take_over(&handover, now());
        taken.map_err(|error| {
            let code = match error {
                HandoverError::NotAnArray => RefusalCode::BadRequest,
                HandoverError::TooLarge => RefusalCode::TooLarge,
            };
            refusal(code, error.to_string())
        })
    }

    fn boot_if(&self, boot: BootId) -> Result<(), Refusal> {
        if boot == self.agent.boot {
            return Ok(());
        }
        let message = format!("the agent has restarted: its boot is {} now; pull again", self.agent.boot);
        Err(refusal(RefusalCode::OtherBoot, message))
    }

    /// The task's answer, if this is the task that the puller means: addresses are reused.
    fn task_if(&self, arn: &str) -> Result<Bytes, Refusal> {
        match &*self.agent.identity.borrow() {
            None => {
                let message = "the metadata endpoint has not said yet which task this is; try again later";
                Err(refusal(RefusalCode::IdentityUnknown, message.to_owned()))
            }
            Some(identity) if identity.arn != arn => {
                let message = format!("this is the agent of {}", identity.arn);
                Err(refusal(RefusalCode::OtherTask, message))
            }
            Some(identity) => Ok(identity.task.clone()),
        }
    }

    fn page(&self, task: &[u8], max_bytes: u64) -> Result<(Vec<u8>, u64), Refusal> {
        let max_bytes = usize::try_from(max_bytes).unwrap_or(PAGE_BYTES).min(PAGE_BYTES);
        self.agent.catch_up();
        if self.agent.stopping.get() {
            self.agent.flush(Flush::Changed);
        }
        let mut spool = self.agent.spool.borrow_mut();
        let selection = spool.select(max_bytes);
        self.agent.count_damaged(&mut spool);
        let head = self.head(&selection, &spool);
        let mut page = start_page(&head, task, selection.bytes())
            .map_err(|error| refusal(RefusalCode::Busy, format!("page head: {error}")))?;
        spool.copy(&selection, &mut page).map_err(|error| {
            error!(error:%; "a page could not be made; the next pull tries again");
            refusal(RefusalCode::Busy, format!("the spool can't be read: {error}; try again"))
        })?;
        Ok((page, selection.handed_out.total()))
    }

    fn head(&self, selection: &Selection, spool: &Spool) -> PageHead {
        let mut ledger = self.agent.ledger.borrow_mut();
        ledger.handed_out(&selection.handed_out);
        ledger.dropped(&selection.lost, Loss::SpoolFull);
        PageHead {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot: self.agent.boot,
            now: now(),
            container: self.container(),
            stopping: self.agent.stopping.get(),
            metrics: selection.metrics_head,
            traces: selection.traces_head,
            counts: ledger.counts(spool),
            sampling: self.agent.sampling.borrow_mut().head(Instant::now()),
        }
    }

    /// Until the endpoint has told it, what Fargate makes the end of its URI of. On EC2 that is some other id.
    fn container(&self) -> String {
        let of_uri = || self.agent.settings.metadata.as_ref().map_or("", |uri| uri.container()).to_owned();
        self.agent.container.borrow().clone().unwrap_or_else(of_uri)
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| refusal(RefusalCode::BadRequest, format!("body: {error}")))
}

fn leased(leased: Leased) -> Refusal {
    refusal(RefusalCode::Leased, leased.to_string())
}

const fn refusal(code: RefusalCode, message: String) -> Refusal {
    Refusal { code, message }
}

#[cfg(test)]
mod tests {
    use siphon_core::{
        units::UnixMillis,
        wire::{BootId, Cursors, Kind, LeaseId, Page},
    };

    use super::*;
    use crate::{agent::Identity, settings::Settings};

    const ONE: LeaseId = LeaseId([1; 16]);
    const OTHER: LeaseId = LeaseId([2; 16]);

    fn handout() -> Handout {
        let key = "0b".repeat(32);
        let settings = Settings::read(|name| match name {
            "SIPHON_KEY" => Some(key.clone()),
            "SIPHON_SPOOL_MAX_BYTES" => Some("65536".to_owned()),
            "ECS_CONTAINER_METADATA_URI_V4" => Some("http://127.0.0.1/v4/c-1".to_owned()),
            _ => None,
        });
        Handout::new(Rc::new(Agent::new(settings.unwrap(), BootId([9; 16]), &[0; 16])))
    }

    fn known() -> Handout {
        let handout = handout();
        handout.agent.identify(Identity { arn: "arn:task".to_owned(), task: Bytes::from_static(b"{}") });
        handout
    }

    fn pull(handout: &Handout, task_arn: &str, lease: LeaseId) -> Result<Page, RefusalCode> {
        let request = PullRequest {
            task_arn: task_arn.to_owned(),
            lease,
            lease_ms: 60_000,
            keep_lease: false,
            max_bytes: 1000,
        };
        let page = handout.pull(&serde_json::to_vec(&request).unwrap()).map_err(|refusal| refusal.code)?;
        Ok(Page::decode(Bytes::copy_from_slice(&page)).unwrap())
    }

    fn ack(handout: &Handout, lease: LeaseId, boot: BootId, delivered: Cursors) -> Result<(), RefusalCode> {
        let ack = Ack {
            task_arn: "arn:task".to_owned(),
            lease,
            keep_lease: false,
            boot,
            delivered,
            exported: Vec::new(),
        };
        handout.ack(&serde_json::to_vec(&ack).unwrap()).map_err(|refusal| refusal.code)
    }

    fn cursors(page: &Page) -> Cursors {
        Cursors { metrics: page.head.metrics.cursor, traces: page.head.traces.cursor }
    }

    #[test]
    fn nothing_is_handed_out_before_the_task_is_known_or_to_who_means_another() {
        let handout = handout();
        handout.agent.store(Kind::Ecs, b"reading", 1);
        assert_eq!(pull(&handout, "arn:task", ONE).unwrap_err(), RefusalCode::IdentityUnknown);
        handout.agent.identify(Identity { arn: "arn:task".to_owned(), task: Bytes::from_static(b"{}") });
        assert_eq!(pull(&handout, "arn:other", ONE).unwrap_err(), RefusalCode::OtherTask);
        assert_eq!(handout.pull(b"{}").unwrap_err().code, RefusalCode::BadRequest);
        let page = pull(&handout, "arn:task", ONE).unwrap();
        assert_eq!((page.records[0].payload.as_ref(), page.task.as_ref()), (&b"reading"[..], &b"{}"[..]));
        assert_eq!((page.head.container.as_str(), page.head.boot), ("c-1", BootId([9; 16])));
    }

    #[test]
    fn the_first_arn_stays_and_the_latest_answer_goes_out() {
        let handout = known();
        handout.agent.identify(Identity { arn: "arn:odd".to_owned(), task: Bytes::from_static(b"{2}") });
        assert_eq!(pull(&handout, "arn:task", ONE).unwrap().task.as_ref(), b"{2}");
    }

    #[test]
    fn a_lease_keeps_others_out_until_its_ack() {
        let handout = known();
        assert!(pull(&handout, "arn:task", ONE).unwrap().records.is_empty());
        handout.agent.store(Kind::Ecs, b"reading", 1);
        let page = pull(&handout, "arn:task", OTHER).unwrap();
        assert_eq!(page.records.len(), 1, "an empty page took no lease");
        assert_eq!(pull(&handout, "arn:task", ONE).unwrap_err(), RefusalCode::Leased);
        assert_eq!(pull(&handout, "arn:task", OTHER).unwrap().records.len(), 1);
        ack(&handout, OTHER, page.head.boot, cursors(&page)).unwrap();
        assert!(pull(&handout, "arn:task", ONE).unwrap().records.is_empty());
    }

    #[test]
    fn a_kept_lease_outlasts_empty_pages_and_acks() {
        let handout = known();
        let request = |lease| PullRequest {
            task_arn: "arn:task".to_owned(),
            lease,
            lease_ms: 60_000,
            keep_lease: true,
            max_bytes: 1000,
        };
        let keep = || handout.pull(&serde_json::to_vec(&request(ONE)).unwrap());
        drop(keep().unwrap());
        assert_eq!(
            pull(&handout, "arn:task", OTHER).unwrap_err(),
            RefusalCode::Leased,
            "after an empty page"
        );
        handout.agent.store(Kind::Ecs, b"reading", 1);
        let page = Page::decode(Bytes::copy_from_slice(&keep().unwrap())).unwrap();
        let ack = Ack {
            task_arn: "arn:task".to_owned(),
            lease: ONE,
            keep_lease: true,
            boot: page.head.boot,
            delivered: cursors(&page),
            exported: Vec::new(),
        };
        handout.ack(&serde_json::to_vec(&ack).unwrap()).unwrap();
        assert_eq!(pull(&handout, "arn:task", OTHER).unwrap_err(), RefusalCode::Leased, "after an ack");
        assert!(
            pull(&handout, "arn:task", ONE).is_ok(),
            "and given back by an empty page that does not keep it"
        );
        assert!(pull(&handout, "arn:task", OTHER).is_ok());
    }

    #[test]
    fn an_ack_for_another_boot_or_the_future_is_refused() {
        let handout = known();
        handout.agent.store(Kind::Ecs, b"reading", 1);
        let page = pull(&handout, "arn:task", ONE).unwrap();
        assert_eq!(ack(&handout, ONE, BootId([8; 16]), cursors(&page)), Err(RefusalCode::OtherBoot));
        let mut beyond = cursors(&page);
        beyond.traces.0 += 1;
        assert_eq!(ack(&handout, ONE, page.head.boot, beyond), Err(RefusalCode::BeyondHandedOut));
        assert_eq!(handout.agent.spool.borrow().records(), 1);
    }

    #[test]
    fn an_ack_counts_while_nobody_else_holds_the_lease() {
        let handout = known();
        handout.agent.store(Kind::Ecs, b"reading", 1);
        let page = pull(&handout, "arn:task", ONE).unwrap();
        assert_eq!(ack(&handout, OTHER, page.head.boot, cursors(&page)), Err(RefusalCode::Leased));
        assert_eq!(handout.agent.spool.borrow().records(), 1, "ONE delivers it, and says how");
        assert_eq!(ack(&handout, ONE, page.head.boot, cursors(&page)), Ok(()));
        assert_eq!(handout.agent.spool.borrow().records(), 0);
        assert_eq!(ack(&handout, OTHER, page.head.boot, cursors(&page)), Ok(()), "nobody's lease: true");
    }

    #[test]
    fn one_page_is_in_memory_at_a_time() {
        let handout = known();
        let request = PullRequest {
            task_arn: "arn:task".to_owned(),
            lease: ONE,
            lease_ms: 1,
            keep_lease: false,
            max_bytes: u64::MAX,
        };
        let body = serde_json::to_vec(&request).unwrap();
        let sending = handout.pull(&body).unwrap();
        assert_eq!(handout.pull(&body).unwrap_err().code, RefusalCode::Busy);
        drop(sending);
        assert!(handout.pull(&body).is_ok());
    }

    #[test]
    fn a_head_counts_what_it_hands_out() {
        let handout = known();
        handout.agent.store(Kind::OtlpTraces, b"spans", 20);
        let page = pull(&handout, "arn:task", ONE).unwrap();
        assert!(page.records[0].arrived > UnixMillis(0));
        let counts: Vec<_> = page.head.counts.iter().map(|c| (c.event.as_ref(), c.value)).collect();
        let events = [("accepted_items", 20), ("accepted_records", 1), ("handed_out_records", 1)];
        let levels = [("buffered_records", 1), ("buffered_bytes", 0), ("buffered_bytes", 26)];
        assert_eq!(counts, [&events[..], &levels].concat());
    }
}
