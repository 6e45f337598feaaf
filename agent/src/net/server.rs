//! Accepts connections, as many as fit, and speaks HTTP/1.1 on them.

use std::{convert::Infallible, net::SocketAddr, pin::pin, rc::Rc, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use log::warn;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::spawn_local,
    time::{sleep, timeout},
};

use super::{Answer, is_local};

/// Headers must fit, and a body is read in pieces of this size.
const BUFFER_BYTES: usize = 16 << 10;

/// What a connection that must end still has for the request in hand.
const LAST_REQUEST_TIME: Duration = Duration::from_secs(10);

/// What bounds the memory and the life of connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections from this machine, and as many from others, so that neither can shut the other out. When three
    /// quarters are taken, further ones end after one request.
    pub connections: usize,
    /// What happens to one more.
    pub when_full: WhenFull,
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

/// Serves `listener` until `closing` turns true and all connections have ended.
pub async fn serve<H, F>(listener: TcpListener, limits: Limits, mut closing: watch::Receiver<bool>, handle: H)
where
    H: Fn(Peer, Request<Incoming>) -> F + 'static,
    F: Future<Output = Answer> + 'static,
{
    let handle = Rc::new(handle);
    let room = Room::new(limits);
    let signal = closing.clone();
    let accepting = async {
        loop {
            let Some((stream, peer)) = accept(&listener).await else { continue };
            let Some(place) = room.enter(peer).await else { continue };
            spawn_local(connection(stream, peer, place, limits, signal.clone(), Rc::clone(&handle)));
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = closing.wait_for(|closing| *closing) => {}
    }
    drop(listener);
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

async fn connection<H, F>(
    stream: TcpStream,
    peer: Peer,
    place: Place,
    limits: Limits,
    mut closing: watch::Receiver<bool>,
    handle: Rc<H>,
) where
    H: Fn(Peer, Request<Incoming>) -> F + 'static,
    F: Future<Output = Answer> + 'static,
{
    let service = service_fn(move |request| {
        let answer = handle(peer, request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .keep_alive(place.keep_alive)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = closing.wait_for(|closing| *closing) => {}
        () = sleep(limits.age) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_REQUEST_TIME, connection).await;
}

/// The places for connections.
struct Room {
    local: Arc<Semaphore>,
    remote: Arc<Semaphore>,
    limits: Limits,
}

/// One connection's place. Free again when dropped.
struct Place {
    keep_alive: bool,
    _permit: OwnedSemaphorePermit,
}

impl Room {
    fn new(limits: Limits) -> Self {
        let places = || Arc::new(Semaphore::new(limits.connections));
        Self { local: places(), remote: places(), limits }
    }

    async fn enter(&self, peer: Peer) -> Option<Place> {
        let places = if peer.is_local { &self.local } else { &self.remote };
        let keep_alive = places.available_permits() > self.limits.connections / 4;
        let places = Arc::clone(places);
        let permit = match self.limits.when_full {
            WhenFull::Wait => places.acquire_owned().await.ok(),
            WhenFull::Close => places.try_acquire_owned().ok(),
        };
        permit.map(|permit| Place { keep_alive, _permit: permit })
    }

    async fn emptied(&self) {
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        for places in [&self.local, &self.remote] {
            let _ = places.acquire_many(all).await;
        }
    }
}
