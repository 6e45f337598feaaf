//! Speaks HTTP/1.1.

use std::{cell::Cell, convert::Infallible, future::pending, pin::pin, rc::Rc};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    Answer,
    server::{
        Accepted, FIRST_REQUEST_TIME, LAST_REQUEST_TIME, Listener, Peer, Secured, Unserved, accept_all,
    },
    tls::Tls,
};

/// Headers must fit, and a body is read in pieces of this size.
const BUFFER_BYTES: usize = 16 << 10;

/// Serves `listener` until `closing` turns true and all connections have ended. With `tls` the other side may begin with a
/// handshake. It need not: the health check doesn't, and the functions insist on TLS only once all agents have a
/// certificate. Whoever listens in between can't make them do without.
pub async fn serve<H, F>(listener: Listener, tls: Option<Tls>, closing: watch::Receiver<bool>, handle: H)
where
    H: Fn(Peer, Request<Incoming>) -> F + 'static,
    F: Future<Output = Answer> + 'static,
{
    let shared = Rc::new((handle, tls));
    accept_all(listener, closing, move |accepted| {
        let shared = Rc::clone(&shared);
        async move {
            let (handle, tls) = &*shared;
            let Some(tls) = tls else { return connection(accepted, handle).await };
            let unserved = Rc::clone(&accepted.unserved);
            match timeout(accepted.limits.idle, accepted.secured(tls)).await {
                Ok(Some(Secured::Tls(secured))) => connection(*secured, handle).await,
                Ok(Some(Secured::Plain(plain))) => connection(*plain, handle).await,
                Ok(None) => unserved(Unserved::Broken),
                Err(_) => unserved(Unserved::Timeout),
            }
        }
    })
    .await;
}

async fn connection<S, H, F>(accepted: Accepted<S>, handle: &H)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Peer, Request<Incoming>) -> F,
    F: Future<Output = Answer>,
{
    let Accepted { stream, peer, place, limits, mut closing, unserved } = accepted;
    let has_begun = Cell::new(false);
    let service = service_fn(|request| {
        has_begun.set(true);
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
        ended = connection.as_mut() => {
            match ended {
                // Not if it was only idle.
                Err(error) if error.is_timeout() && has_begun.get() => {}
                Err(error) if error.is_timeout() => unserved(Unserved::Timeout),
                Err(_) => unserved(Unserved::Broken),
                Ok(()) => {}
            }
            return;
        }
        _ = closing.wait_for(|closing| *closing) => {}
        () = sleep(limits.age) => {}
        () = silence(&has_begun) => return unserved(Unserved::Timeout),
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_REQUEST_TIME, connection).await;
}

/// Returns if no request's headers have come in time.
async fn silence(has_begun: &Cell<bool>) {
    sleep(FIRST_REQUEST_TIME).await;
    if has_begun.get() {
        pending().await
    }
}
