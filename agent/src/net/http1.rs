//! Speaks HTTP/1.1.

use std::{convert::Infallible, pin::pin, rc::Rc};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    Answer,
    server::{Accepted, LAST_REQUEST_TIME, Limits, Peer, accept_all},
};

/// Headers must fit, and a body is read in pieces of this size.
const BUFFER_BYTES: usize = 16 << 10;

/// Serves `listener` until `closing` turns true and all connections have ended.
pub async fn serve<H, F>(listener: TcpListener, limits: Limits, closing: watch::Receiver<bool>, handle: H)
where
    H: Fn(Peer, Request<Incoming>) -> F + 'static,
    F: Future<Output = Answer> + 'static,
{
    let handle = Rc::new(handle);
    accept_all(listener, limits, closing, move |accepted| connection(accepted, Rc::clone(&handle))).await;
}

async fn connection<H, F>(accepted: Accepted, handle: Rc<H>)
where
    H: Fn(Peer, Request<Incoming>) -> F + 'static,
    F: Future<Output = Answer> + 'static,
{
    let Accepted { stream, peer, place, limits, mut closing } = accepted;
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
