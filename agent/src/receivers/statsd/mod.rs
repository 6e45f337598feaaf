//! StatsD over UDP: lines are added up (`siphon_core::statsd`), and what they add up to is stored at each interval, when the
//! agent begins to stop, and before each page of a stopping agent.

mod settings;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io,
    net::{SocketAddr, UdpSocket},
    rc::Rc,
    time::{Duration, Instant},
};

use log::{info, warn};
pub use settings::{ADDRESS, StatsdSettings};
use siphon_core::{
    statsd::{Aggregator, Flush, Refusal},
    wire::Kind,
};
use tokio::time::{MissedTickBehavior, interval_at};

use crate::{
    agent::{Agent, now},
    logging::Throttle,
    net::udp::Datagrams,
};

/// A record's size, unless the spool takes less.
const RECORD_BYTES: usize = 64 << 10;

/// Characters of a bad line that go into the log.
const SHOWN_CHARS: usize = 80;

/// The receiver.
pub struct Statsd {
    datagrams: Datagrams,
    series: RefCell<Aggregator>,
    record_bytes: usize,
    /// Lines that were added up and are not in the ledger yet, which is too slow for each of them.
    taken: Cell<u64>,
    /// Datagrams that the kernel had dropped when it was last asked.
    dropped: Cell<u64>,
    /// One for each reason: a flood of one must not hide another.
    refusal_logs: RefCell<BTreeMap<&'static str, Throttle>>,
}

impl Statsd {
    /// A receiver at `socket`.
    ///
    /// # Errors
    /// If the operating system refuses it.
    pub fn new(agent: &Agent, socket: UdpSocket) -> io::Result<Self> {
        let settings = &agent.settings;
        info!(receiver = "statsd", address:% = socket.local_addr()?; "listening");
        Ok(Self {
            datagrams: Datagrams::new(socket)?,
            series: RefCell::new(Aggregator::new(settings.statsd.options(), now())),
            record_bytes: RECORD_BYTES.min(settings.payload_limit()),
            taken: Cell::default(),
            dropped: Cell::default(),
            refusal_logs: RefCell::default(),
        })
    }

    /// Receives, and stores at each interval, for ever.
    pub async fn run(&self, agent: &Agent) {
        let receive = self.datagrams.receive(|datagram, peer| self.take(agent, datagram, peer));
        let store = async {
            let every = agent.settings.statsd.interval;
            let mut ticks = interval_at(tokio::time::Instant::now() + every, every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                // A stopping agent has stored all; what comes later is stored as it is asked for.
                if !agent.stopping.get() {
                    self.flush(agent, Flush::All);
                }
            }
        };
        tokio::join!(receive, store);
    }

    /// Stores what was added up, with what still waits in the socket.
    pub fn flush(&self, agent: &Agent, which: Flush) {
        self.datagrams.receive_waiting(|datagram, peer| self.take(agent, datagram, peer));
        let mut series = self.series.borrow_mut();
        series.flush(now(), which, self.record_bytes, |record| {
            agent.store(Kind::Statsd, &record.payload, record.points);
        });
        let dropped = self.datagrams.dropped();
        let since = dropped.saturating_sub(self.dropped.replace(dropped));
        let mut ledger = agent.ledger.borrow_mut();
        ledger.accepted_lines(Kind::Statsd, self.taken.take());
        ledger.dropped_datagrams(Kind::Statsd, since);
    }

    fn take(&self, agent: &Agent, datagram: &[u8], peer: SocketAddr) {
        let mut refused = |line: &[u8], refusal| self.refuse(agent, refusal, line, peer);
        let taken = self.series.borrow_mut().add_all(datagram, &mut refused);
        self.taken.set(self.taken.get() + taken);
    }

    fn refuse(&self, agent: &Agent, refusal: Refusal, line: &[u8], peer: SocketAddr) {
        let reason = refusal.name();
        agent.ledger.borrow_mut().refused_line(Kind::Statsd, reason);
        let mut logs = self.refusal_logs.borrow_mut();
        let log = logs.entry(reason).or_insert_with(|| Throttle::new(Duration::from_secs(10)));
        if let Some(suppressed) = log.pass(Instant::now()) {
            let line: String = String::from_utf8_lossy(line).chars().take(SHOWN_CHARS).collect();
            warn!(peer:%, reason, suppressed, line, error:% = refusal; "StatsD line refused");
        }
    }
}

/// Starts the receiver. It ends with the future that is returned.
///
/// # Errors
/// If the operating system refuses it.
pub fn start(agent: &Rc<Agent>, socket: UdpSocket) -> io::Result<impl Future<Output = ()> + use<>> {
    let receiver = Rc::new(Statsd::new(agent, socket)?);
    let _ = agent.statsd.set(Rc::clone(&receiver));
    let agent = Rc::clone(agent);
    Ok(async move { receiver.run(&agent).await })
}
