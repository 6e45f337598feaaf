//! Asking another process over plain HTTP.

use std::io;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The head of an answer may have so many bytes.
const MAX_HEAD_BYTES: usize = 32 << 10;

/// There is no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// No connection.
    #[error("{0}")]
    Connect(io::Error),
    /// It broke, or what came is no HTTP.
    #[error("{0}{cause}", cause = cause(.0))]
    Broken(#[from] hyper::Error),
}

fn cause(error: &hyper::Error) -> String {
    std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default()
}

/// One request to `address` on a connection of its own, of whose answer `read` takes what it wants. Dropping the future
/// closes the connection.
///
/// # Errors
/// [`Unreachable`] if there is no answer, and what `read` says.
pub async fn exchange<T, E: From<Unreachable>>(
    address: &str,
    request: Request<Empty<Bytes>>,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, E>,
) -> Result<T, E> {
    let stream = TcpStream::connect(address).await.map_err(Unreachable::Connect)?;
    let handshake = http1::Builder::new().max_buf_size(MAX_HEAD_BYTES).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(Unreachable::Broken)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(Unreachable::Broken)?;
        read(response).await
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // What the connection has read before its end is still to be taken.
        _ = connection => answer.await,
    }
}
