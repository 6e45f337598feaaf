//! Asking another process over plain HTTP.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

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
    let stream = connect(address).await.map_err(Unreachable::Connect)?;
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

/// Whoever asks for `localhost` means this machine, whatever resolvers and their files know
/// (<https://www.rfc-editor.org/rfc/rfc6761#section-6.3>); the agent's image has none of these.
async fn connect(address: &str) -> io::Result<TcpStream> {
    match loopback(address) {
        Some(addresses) => TcpStream::connect(&addresses[..]).await,
        None => TcpStream::connect(address).await,
    }
}

/// Where `localhost` and the names below it are, with that port: over IPv4, else over IPv6.
fn loopback(address: &str) -> Option<[SocketAddr; 2]> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let port = port.parse().ok().filter(|_| host == "localhost" || host.ends_with(".localhost"))?;
    Some([(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_this_machine() {
        for address in ["localhost:9090", "LocalHost.:9090", "app.localhost:9090"] {
            let want = ["127.0.0.1:9090", "[::1]:9090"].map(|address| address.parse().unwrap());
            assert_eq!(loopback(address), Some(want), "{address}");
        }
        for address in ["localhost", "127.0.0.1:1", "[::1]:1", "notlocalhost:1", "localhost.example:1", ":1"]
        {
            assert_eq!(loopback(address), None, "{address}");
        }
    }
}
