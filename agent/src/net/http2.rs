//! Speaks HTTP/2 without TLS, as gRPC clients do inside of a task: the client's preface comes first, nothing is upgraded.
//!
//! Memory is bounded for each connection: one frame of 16 KiB in the buffer, 64 KiB that the client may have sent beyond
//! what was read, [`STREAMS`] requests at once, headers of 4 KiB for each. A request's head is dropped before its body is
//! read, so that only heads that came in the same moment are in memory together: at the very worst, with all of 128
//! connections of this machine full of them, 16 MiB for that moment, and as much again where other machines may connect.
//! Floods of resets and of continued headers end the connection (h2's own limits).

use std::{cell::Cell, convert::Infallible, pin::pin, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    rt::Executor,
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    sync::watch,
    task::spawn_local,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::server::{Accepted, FIRST_REQUEST_TIME, LAST_REQUEST_TIME, Listener, Peer, Unserved, accept_all};

/// Requests at once on one connection. Further ones wait in the client.
const STREAMS: u32 = 32;
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
/// What SDKs send is under 2 KiB, a token included.
const HEADER_LIST_BYTES: u32 = 4 << 10;
/// Answers are a few bytes, unless an error has much to say.
const SEND_BUFFER_BYTES: usize = 16 << 10;

/// A peer that does not answer a ping is gone, and its connection with it.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIME: Duration = Duration::from_secs(20);

/// Runs a connection's requests on the one thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, task: F) {
        spawn_local(task);
    }
}

/// Serves `listener` until `closing` turns true and all connections have ended.
pub async fn serve_http2<H, F, B>(listener: Listener, closing: watch::Receiver<bool>, handle: H)
where
    H: Fn(Peer, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    let handle = Rc::new(handle);
    accept_all(listener, closing, move |accepted| connection(accepted, Rc::clone(&handle))).await;
}

async fn connection<H, F, B>(accepted: Accepted, handle: Rc<H>)
where
    H: Fn(Peer, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    let Accepted { stream, peer, place, limits, mut closing, unserved } = accepted;
    if timeout(FIRST_REQUEST_TIME, stream.peek(&mut [0])).await.is_err() {
        return unserved(Unserved::Timeout);
    }
    let latest = Rc::new(Cell::new(Instant::now()));
    let of_requests = Rc::clone(&latest);
    let service = service_fn(move |request| {
        of_requests.set(Instant::now());
        let answer = handle(peer, request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = builder().serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // One that takes one of the last places makes room as soon as others may want it.
    let age = if place.keep_alive { limits.age } else { LAST_REQUEST_TIME };
    tokio::select! {
        ended = connection.as_mut() => {
            if ended.is_err() {
                unserved(Unserved::Broken);
            }
            return;
        }
        _ = closing.wait_for(|closing| *closing) => {}
        () = sleep(age) => {}
        () = idle(&latest, limits.idle) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_REQUEST_TIME, connection).await;
}

fn builder() -> http2::Builder<Local> {
    let mut builder = http2::Builder::new(Local);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(STREAM_WINDOW_BYTES)
        .max_header_list_size(HEADER_LIST_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIME)
        .auto_date_header(false);
    builder
}

/// Returns when the latest request began so long ago. None takes that long.
async fn idle(latest: &Cell<Instant>, time: Duration) {
    loop {
        let end = latest.get() + time;
        if Instant::now() >= end {
            return;
        }
        sleep_until(end).await;
    }
}
