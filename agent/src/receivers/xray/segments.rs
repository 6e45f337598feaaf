//! Segment documents, as X-Ray SDKs send them to a daemon: stored as they came. What is in one is not looked at here;
//! `scrape` does, and X-Ray.

use std::{
    cell::{Cell, RefCell},
    io,
    net::{SocketAddr, UdpSocket},
    rc::Rc,
    time::{Duration, Instant},
};

use log::{info, warn};
use siphon_core::{
    wire::Kind,
    xray::datagram::{self, DatagramError},
};

use crate::{agent::Agent, logging::Throttle, net::udp::Datagrams};

/// Bytes of a refused datagram that are logged.
const SHOWN_BYTES: usize = 64;

/// The receiver.
pub struct Segments {
    datagrams: Datagrams,
    /// Datagrams that the kernel had dropped when it was last asked.
    dropped: Cell<u64>,
    refusal_log: RefCell<Throttle>,
}

impl Segments {
    /// A receiver at `socket`.
    ///
    /// # Errors
    /// If the operating system refuses it.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        info!(receiver = "xray", address:% = socket.local_addr()?; "listening");
        Ok(Self {
            datagrams: Datagrams::new(socket)?,
            dropped: Cell::default(),
            refusal_log: RefCell::new(Throttle::new(Duration::from_secs(10))),
        })
    }

    /// Receives, for ever.
    pub async fn run(&self, agent: &Agent) {
        self.datagrams.receive(|datagram, peer| self.take(agent, datagram, peer)).await;
    }

    /// Takes what still waits in the socket, and counts what the kernel had no room for.
    pub fn catch_up(&self, agent: &Agent) {
        self.datagrams.receive_waiting(|datagram, peer| self.take(agent, datagram, peer));
        let dropped = self.datagrams.dropped();
        let since = dropped.saturating_sub(self.dropped.replace(dropped));
        agent.ledger.borrow_mut().dropped_datagrams(Kind::XraySegment, since);
    }

    fn take(&self, agent: &Agent, datagram: &[u8], peer: SocketAddr) {
        match datagram::document(datagram) {
            Ok(document) => agent.store(Kind::XraySegment, document, 1),
            Err(error) => self.refuse(agent, datagram, peer, error),
        }
    }

    fn refuse(&self, agent: &Agent, datagram: &[u8], peer: SocketAddr, error: DatagramError) {
        let reason = error.name();
        agent.ledger.borrow_mut().refused_datagram(Kind::XraySegment, reason);
        if let Some(suppressed) = self.refusal_log.borrow_mut().pass(Instant::now()) {
            let start = datagram.get(..SHOWN_BYTES).unwrap_or(datagram).escape_ascii();
            let bytes = datagram.len();
            warn!(peer:%, reason, suppressed, bytes, start:%, error:%; "X-Ray datagram refused");
        }
    }
}

/// Starts the receiver. It ends with the future that is returned.
///
/// # Errors
/// If the operating system refuses it.
pub fn start(agent: &Rc<Agent>, socket: UdpSocket) -> io::Result<impl Future<Output = ()> + use<>> {
    let receiver = Rc::new(Segments::new(socket)?);
    let _ = agent.segments.set(Rc::clone(&receiver));
    let agent = Rc::clone(agent);
    Ok(async move { receiver.run(&agent).await })
}
