//! What the parts of the agent share: the spool, the counters, and who the task is.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use log::{error, info, warn};
use siphon_core::{
    otlp::delta::Drops,
    scrapes::Sealed,
    statsd::Flush,
    units::UnixMillis,
    wire::{BootId, Count, Kind},
};
use tokio::{net::TcpListener, sync::Notify};

use crate::{
    deltas::Deltas,
    ledger::{Ledger, Loss},
    logging::Throttle,
    net::{Budget, Limits, Listener},
    receivers::{prometheus::Recorders, statsd::Statsd, xray::segments::Segments},
    sampling::Sampling,
    settings::Settings,
    spool::{NotStored, OpenError, Spool, Tally},
};

/// Bodies that may be in flight beside one of the largest size.
const SMALL_BODIES_BYTES: usize = 1 << 20;

/// The agent's state. One thread runs everything, so a `RefCell` is borrowed for a moment only, never over an await.
pub struct Agent {
    /// What the environment says.
    pub settings: Settings,
    /// Drawn at the start.
    pub boot: BootId,
    /// When the agent started.
    pub started: Instant,
    /// What is not acknowledged.
    pub spool: RefCell<Spool>,
    /// What was counted.
    pub ledger: RefCell<Ledger>,
    /// Which task this is, once known.
    pub identity: RefCell<Option<Identity>>,
    /// The id of its own container, once known.
    pub container: RefCell<Option<String>>,
    /// Told to stop, and a reading is taken since.
    pub stopping: Cell<bool>,
    /// What applications are told of sampling.
    pub sampling: RefCell<Sampling>,
    /// Memory of OTLP bodies in flight.
    pub bodies: Rc<Budget>,
    /// What is scraped and not yet in the spool.
    pub scrapes: Recorders,
    /// Records have left the spool without newer ones in their place.
    pub removed: Notify,
    /// The receiver that adds up before it stores, if it is on.
    pub statsd: OnceCell<Rc<Statsd>>,
    /// The receiver of X-Ray segments, if it is on.
    pub segments: OnceCell<Rc<Segments>>,
    deltas: Deltas,
    loss_log: RefCell<Throttle>,
    not_stored_log: RefCell<Throttle>,
}

/// Which task this is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The task's ARN. It never changes.
    pub arn: String,
    /// The latest good answer of `/task`.
    pub task: Bytes,
}

/// The wall clock.
#[must_use]
pub fn now() -> UnixMillis {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

impl Agent {
    /// An agent with an empty spool in memory. `seed` is drawn at random.
    #[must_use]
    pub fn new(settings: Settings, boot: BootId, seed: &[u8; 16]) -> Self {
        let spool = Spool::new(settings.spool_max_bytes);
        Self::with_spool(settings, boot, seed, spool)
    }

    /// An agent whose spool lies where the settings say, with what an agent before it has left there.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open(settings: Settings, boot: BootId, seed: &[u8; 16]) -> Result<Self, OpenError> {
        let Some(dir) = &settings.spool_dir else { return Ok(Self::new(settings, boot, seed)) };
        let (spool, recovered) = Spool::open(dir, settings.spool_max_bytes)?;
        info!(dir:% = dir.display(), records = recovered.records.total(); "the spool is on disk; what it holds goes out again");
        let agent = Self::with_spool(settings, boot, seed, spool);
        agent.ledger.borrow_mut().recovered(&recovered);
        Ok(agent)
    }

    fn with_spool(settings: Settings, boot: BootId, seed: &[u8; 16], spool: Spool) -> Self {
        Self {
            boot,
            started: Instant::now(),
            spool: RefCell::new(spool),
            ledger: RefCell::default(),
            identity: RefCell::default(),
            container: RefCell::default(),
            stopping: Cell::new(false),
            sampling: RefCell::default(),
            bodies: Rc::new(Budget::new(settings.otlp_max_body_bytes + SMALL_BODIES_BYTES)),
            scrapes: Recorders::new(settings.scrape_memory_bytes),
            removed: Notify::new(),
            statsd: OnceCell::new(),
            segments: OnceCell::new(),
            deltas: Deltas::new(settings.delta, seed),
            loss_log: RefCell::new(Throttle::new(Duration::from_secs(60))),
            not_stored_log: RefCell::new(Throttle::new(Duration::from_secs(60))),
            settings,
        }
    }

    /// Takes over the latest answer of `/task`. The first one says which task this is.
    pub fn identify(&self, latest: Identity) {
        match &mut *self.identity.borrow_mut() {
            Some(known) => known.task = latest.task,
            unknown => {
                self.claim_spool(&latest.arn);
                info!(task = latest.arn; "task is known; pulls are answered from now on");
                *unknown = Some(latest);
            }
        }
    }

    fn claim_spool(&self, task_arn: &str) {
        let foreign = self.spool.borrow_mut().claim(task_arn);
        self.ledger.borrow_mut().dropped(&foreign, Loss::OtherTask);
        if foreign.total() > 0 {
            self.removed.notify_one();
            warn!(
                records = foreign.total();
                "the spool's directory held records of another task: dropped; give each task a directory of its own"
            );
        }
    }

    /// Counts the records that `spool` could not read any more.
    pub fn count_damaged(&self, spool: &mut Spool) {
        let damaged = spool.take_damaged();
        self.ledger.borrow_mut().dropped(&damaged, Loss::Damaged);
        if damaged.total() > 0 {
            self.removed.notify_one();
            error!(records = damaged.total(); "the spool's file is damaged: records that can't be read are dropped; is its volume well?");
        }
    }

    /// A place to take connections, which counts those that come to nothing under `name`.
    #[must_use]
    pub fn listener(self: &Rc<Self>, name: &'static str, socket: TcpListener, limits: Limits) -> Listener {
        let agent = Rc::clone(self);
        let unserved = move |why| agent.ledger.borrow_mut().refused_connection(name, why);
        Listener { socket, limits, unserved: Rc::new(unserved) }
    }

    /// Puts a record into the spool, or counts that it is lost: whoever brings it can't be asked to bring it again.
    pub fn store(&self, kind: Kind, payload: &[u8], items: u64) {
        if let Err(error) = self.offer(kind, payload, items) {
            let mut ledger = self.ledger.borrow_mut();
            ledger.accepted(kind, items);
            ledger.dropped(&Tally::one(kind), Loss::from(&error));
        }
    }

    /// Puts a record into the spool, and counts what is lost for it.
    ///
    /// # Errors
    /// [`NotStored`]. Then it is not counted as accepted.
    pub fn offer(&self, kind: Kind, payload: &[u8], items: u64) -> Result<(), NotStored> {
        let pushed = self.spool.borrow_mut().push(kind, now(), payload);
        let evicted = match &pushed {
            Ok(evicted) | Err(NotStored::Disk { evicted, .. }) => *evicted,
            Err(NotStored::TooLarge(_)) => Tally::default(),
        };
        self.report_loss(&evicted);
        self.ledger.borrow_mut().dropped(&evicted, Loss::SpoolFull);
        match pushed {
            Ok(_) => self.ledger.borrow_mut().accepted(kind, items),
            Err(error) => {
                self.report_not_stored(kind, &error);
                return Err(error);
            }
        }
        Ok(())
    }

    /// What was counted, and how full the spool is.
    #[must_use]
    pub fn counts(&self) -> Vec<Count> {
        self.catch_up();
        let mut spool = self.spool.borrow_mut();
        self.count_damaged(&mut spool);
        self.ledger.borrow().counts(&spool)
    }

    /// Puts a request for metrics into the spool, with totals in the place of delta points, and gives the points that have
    /// none.
    ///
    /// # Errors
    /// [`NotStored`]. Its delta points are counted nevertheless: the next ones of their series tell.
    pub fn offer_metrics(&self, request: &[u8], points: u64) -> Result<Drops, NotStored> {
        let max_bytes = self.settings.otlp_max_body_bytes;
        let Some(made) = self.deltas.accumulate(request, max_bytes, self.started.elapsed()) else {
            return self.offer(Kind::OtlpMetrics, request, points).map(|()| Drops::default());
        };
        self.ledger.borrow_mut().dropped_points(&made.dropped);
        let points = points.saturating_sub(made.dropped.total());
        if points > 0 {
            self.offer(Kind::OtlpMetrics, &made.request, points)?;
        }
        Ok(made.dropped)
    }

    /// Puts blocks of scrapes into the spool.
    pub fn store_scrapes(&self, blocks: impl IntoIterator<Item = Sealed>) {
        for Sealed { payload, scrapes } in blocks {
            self.store(Kind::Scrapes, &payload, scrapes);
        }
    }

    /// Puts all that was scraped into the spool.
    pub fn seal_scrapes(&self) {
        self.store_scrapes(self.scrapes.seal());
    }

    fn report_not_stored(&self, kind: Kind, error: &NotStored) {
        let Some(suppressed) = self.not_stored_log.borrow_mut().pass(Instant::now()) else { return };
        let advice = match error {
            NotStored::TooLarge(_) => {
                "raise SIPHON_SPOOL_MAX_BYTES, or SIPHON_SPOOL_DISK_MAX_BYTES with SIPHON_SPOOL_DIR"
            }
            NotStored::Disk { .. } => "is its volume full or broken?",
        };
        error!(kind = kind.name(), error:%, suppressed; "record not stored; {advice}");
    }

    fn report_loss(&self, lost: &Tally) {
        if lost.total() > 0
            && let Some(suppressed) = self.loss_log.borrow_mut().pass(Instant::now())
        {
            warn!(records = lost.total(), suppressed; "spool is full: its oldest records were dropped; is it being pulled?");
        }
    }

    /// Takes the segments that wait in their socket, and counts those that it had no room for.
    pub fn catch_up(&self) {
        if let Some(segments) = self.segments.get() {
            segments.catch_up(self);
        }
    }

    /// Stores what was added up and is not stored yet.
    pub fn flush(&self, which: Flush) {
        if let Some(statsd) = self.statsd.get() {
            statsd.flush(self, which);
        }
    }

    /// Returns once nothing is left to hand out and nothing is on its way in.
    pub async fn drained(&self) {
        loop {
            self.flush(Flush::Changed);
            self.catch_up();
            if self.spool.borrow().records() > 0 {
                self.removed.notified().await;
            } else if !self.bodies.is_idle() {
                self.bodies.freed().await;
            } else {
                return;
            }
        }
    }
}
