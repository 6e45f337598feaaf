//! What the sockets share: connections with limits, bodies with limits, plain answers, datagrams; and how others are asked.

mod body;
pub mod client;
mod http1;
mod http2;
mod pace;
mod server;
mod sources;
pub mod tls;
pub mod udp;

use std::net::{SocketAddr, TcpListener};

pub use body::{Body, BodyError, Budget, discard, discard_most, read};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
pub use http1::serve;
pub use http2::serve_http2;
pub use server::{Limits, Listener, Peer, Unserved, WhenFull};

use crate::StartError;

/// An answer in one piece.
pub type Answer = Response<Full<Bytes>>;

/// An answer with that body.
#[must_use]
pub fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// An answer that people read.
#[must_use]
pub fn text(status: StatusCode, message: impl Into<String>) -> Answer {
    answer(status, "text/plain; charset=utf-8", message.into() + "\n")
}

/// A listener at `address`, which `setting` says.
///
/// # Errors
/// [`StartError::Listen`]
pub fn listen(address: SocketAddr, setting: &'static str) -> Result<TcpListener, StartError> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|source| StartError::Listen { address, setting, source })
}

/// Whether `peer` is on the same machine as the socket that it reached.
const fn is_local(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_loopback_is_local_and_nothing_else() {
        for (address, expected) in [
            ("127.0.0.1:1", true),
            ("127.8.8.8:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("10.0.0.1:1", false),
            ("[::ffff:10.0.0.1]:1", false),
            ("[fd00::1]:1", false),
        ] {
            assert_eq!(is_local(address.parse().unwrap()), expected, "{address}");
        }
    }
}
