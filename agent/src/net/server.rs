//! Accepts connections, as many as fit, whatever is spoken on them.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use log::warn;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::spawn_local,
    time::sleep,
};

use super::{
    is_local,
    pace::Pace,
    sources::{Source, Sources},
    tls::{Stream, Tls},
};

/// What a connection that must end still has for the requests in hand.
pub(super) const LAST_REQUEST_TIME: Duration = Duration::from_secs(10);

/// A client that connects has something to ask, and begins at once; only later may it be idle.
pub(super) const FIRST_REQUEST_TIME: Duration = Duration::from_secs(10);

/// What bounds the memory and the life of connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections from this machine, and as many from others, so that neither can shut the other out. When three
    /// quarters are taken, further ones end after one request.
    pub connections: usize,
    /// What happens to one more from this machine. One more from another machine is closed: waiting for its place would
    /// keep this machine's own out.
    pub when_full: WhenFull,
    /// Of those from other machines, as many from one address.
    pub per_remote_address: usize,
    /// Connections from other machines that are taken each second. Beyond that they are closed.
    pub remote_per_second: u32,
    /// How long a connection may wait for a request's headers, and so how long it may be idle.
    pub idle: Duration,
    /// How long a connection may last, whatever it does.
    pub age: Duration,
}

/// What happens to a connection when all are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits until another ends.
    Wait,
    /// It is closed.
    Close,
}

/// Where connections come in.
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// What bounds its connections.
    pub limits: Limits,
    /// Is told of each connection that was not served.
    pub unserved: Rc<dyn Fn(Unserved)>,
}

/// Why a connection was of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// There are as many as there may be, or too many came at once.
    TooMany,
    /// No request came in time.
    Timeout,
    /// It broke, or what came is not the protocol's.
    Broken,
}

impl Unserved {
    /// The reason in the counter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooMany => "too_many",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
        }
    }
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether it is on this machine.
    pub is_local: bool,
}

impl Peer {
    fn of(stream: &TcpStream, address: SocketAddr) -> Self {
        // A connection to an address of this machine's own comes from that same address.
        let same = stream.local_addr().is_ok_and(|local| local.ip() == address.ip());
        Self { address, is_local: same || is_local(address) }
    }
}

/// A connection that was accepted.
pub(super) struct Accepted<S = TcpStream> {
    pub(super) stream: S,
    pub(super) peer: Peer,
    pub(super) place: Place,
    pub(super) limits: Limits,
    pub(super) closing: watch::Receiver<bool>,
    pub(super) unserved: Rc<dyn Fn(Unserved)>,
}

/// A connection where TLS is spoken.
pub(super) enum Secured {
    /// It is.
    Tls(Box<Accepted<Stream>>),
    /// It is not.
    Plain(Box<Accepted>),
}

/// The first byte of a handshake.
const HANDSHAKE: u8 = 22;

impl Accepted {
    /// The same connection, after a handshake where the other side begins with one; `None` if that fails.
    pub(super) async fn secured(self, tls: &Tls) -> Option<Secured> {
        let mut first = [0];
        if self.stream.peek(&mut first).await.ok()? == 1 && first != [HANDSHAKE] {
            return Some(Secured::Plain(Box::new(self)));
        }
        let Self { stream, peer, place, limits, closing, unserved } = self;
        let stream = tls.accept(stream).await?;
        Some(Secured::Tls(Box::new(Accepted { stream, peer, place, limits, closing, unserved })))
    }
}

/// Accepts connections and has each served by `connection`, until `closing` turns true and all have ended.
pub(super) async fn accept_all<C, F>(
    Listener { socket, limits, unserved }: Listener,
    mut closing: watch::Receiver<bool>,
    connection: C,
) where
    C: Fn(Accepted) -> F,
    F: Future<Output = ()> + 'static,
{
    let room = Room::new(limits);
    let signal = closing.clone();
    let accepting = async {
        loop {
            let Some((stream, peer)) = accept(&socket).await else { continue };
            let Some(place) = room.enter(peer).await else {
                unserved(Unserved::TooMany);
                continue;
            };
            let (closing, unserved) = (signal.clone(), Rc::clone(&unserved));
            spawn_local(connection(Accepted { stream, peer, place, limits, closing, unserved }));
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = closing.wait_for(|closing| *closing) => {}
    }
    drop(socket);
    room.emptied().await;
}

async fn accept(listener: &TcpListener) -> Option<(TcpStream, Peer)> {
    match listener.accept().await {
        Ok((stream, address)) => {
            let _ = stream.set_nodelay(true);
            let peer = Peer::of(&stream, address);
            Some((stream, peer))
        }
        Err(error) => {
            // Out of file descriptors, as a rule. Pause, so as not to spin.
            warn!(error:%; "connection not accepted");
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// The places for connections.
struct Room {
    local: Arc<Semaphore>,
    remote: Arc<Semaphore>,
    sources: Sources,
    pace: Pace,
    limits: Limits,
}

/// One connection's place. Free again when dropped.
pub(super) struct Place {
    /// Whether there is room enough to stay.
    pub(super) keep_alive: bool,
    _permit: OwnedSemaphorePermit,
    _source: Option<Source>,
}

impl Room {
    fn new(limits: Limits) -> Self {
        let places = || Arc::new(Semaphore::new(limits.connections));
        let pace = Pace::new(limits.remote_per_second);
        Self { local: places(), remote: places(), sources: Sources::default(), pace, limits }
    }

    async fn enter(&self, peer: Peer) -> Option<Place> {
        let source = if peer.is_local { None } else { Some(self.admit(peer)?) };
        let places = if peer.is_local { &self.local } else { &self.remote };
        let keep_alive = places.available_permits() > self.limits.connections / 4;
        let places = Arc::clone(places);
        let permit = match self.limits.when_full {
            WhenFull::Wait if peer.is_local => places.acquire_owned().await.ok(),
            _ => places.try_acquire_owned().ok(),
        };
        permit.map(|permit| Place { keep_alive, _permit: permit, _source: source })
    }

    /// Whether another machine may have one more, if there is a place.
    fn admit(&self, peer: Peer) -> Option<Source> {
        let address = peer.address.ip().to_canonical();
        self.sources
            .enter(address, self.limits.per_remote_address)
            .filter(|_| self.pace.takes(Instant::now()))
    }

    async fn emptied(&self) {
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        for places in [&self.local, &self.remote] {
            let _ = places.acquire_many(all).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    const LIMITS: Limits = Limits {
        connections: 2,
        when_full: WhenFull::Wait,
        per_remote_address: 2,
        remote_per_second: 100,
        idle: Duration::from_secs(1),
        age: Duration::from_secs(1),
    };

    fn peer(address: &str, is_local: bool) -> Peer {
        Peer { address: address.parse().unwrap(), is_local }
    }

    /// The place of one more, `None` if it is closed, `Pending` if it waits.
    fn enter(room: &Room, peer: Peer) -> Poll<Option<Place>> {
        pin!(room.enter(peer)).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn one_too_many_of_another_machine_is_closed_where_one_of_this_machine_waits() {
        let (room, local, remote) = (Room::new(LIMITS), peer("127.0.0.1:1", true), peer("10.0.0.1:1", false));
        let _taken = [local, local, remote, remote].map(|peer| enter(&room, peer));
        assert!(matches!(enter(&room, remote), Poll::Ready(None)));
        assert!(enter(&room, local).is_pending());
    }

    #[test]
    fn one_remote_address_does_not_take_all_places() {
        let room = Room::new(Limits { per_remote_address: 1, ..LIMITS });
        let [one, mapped, other] =
            ["10.0.0.1:1", "[::ffff:10.0.0.1]:2", "10.0.0.2:1"].map(|address| peer(address, false));
        let is_taken = |place: &Poll<Option<Place>>| matches!(place, Poll::Ready(Some(_)));
        let held = enter(&room, one);
        assert!(is_taken(&held) && !is_taken(&enter(&room, mapped)) && is_taken(&enter(&room, other)));
        drop(held);
        assert!(is_taken(&enter(&room, mapped)));
    }
}
