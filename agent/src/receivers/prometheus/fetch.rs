//! One scrape, as Prometheus makes it: HTTP/1.1, plain, a connection of its own.

use std::{
    io::{self, Write},
    time::Duration,
};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use siphon_core::scrapes::Format;

use super::{memory::Share, target::Target};
use crate::net::client::{self, Unreachable};

/// What is taken, the best first.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// How many bytes a text's memory grows by, at least.
const GROWTH_BYTES: usize = 4 << 10;

/// A scrape gave no text.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody listens there.
    #[error("refuses connections")]
    Refused,
    /// No connection, or it broke, or what came is no HTTP.
    #[error("can't be asked: {0}")]
    Broken(String),
    /// No whole answer in time.
    #[error("did not answer in time")]
    Timeout,
    /// The status is not 200. Redirects are not followed.
    #[error("answered with status {0}, not 200")]
    Status(u16),
    /// The body is in an encoding that was not asked for, or broken.
    #[error("answered in a content encoding that can't be read: {0}")]
    Encoding(String),
    /// The text is over the limit.
    #[error("answered with more than {0} bytes; SIPHON_SCRAPE_MAX_BODY_BYTES sets the limit")]
    TooLarge(usize),
    /// All targets together are over theirs.
    #[error("is left out, since all targets take more than SIPHON_SCRAPE_MEMORY_BYTES")]
    Budget,
}

impl Failure {
    /// The reason in the counter.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Broken(_) => "broken",
            Self::Timeout => "timeout",
            Self::Status(_) => "status",
            Self::Encoding(_) => "encoding",
            Self::TooLarge(_) => "too_large",
            Self::Budget => "budget",
        }
    }
}

impl From<Unreachable> for Failure {
    fn from(unreachable: Unreachable) -> Self {
        match unreachable {
            Unreachable::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => Self::Refused,
            other => Self::Broken(other.to_string()),
        }
    }
}

/// What the target exposes now, of at most `limit` bytes, which `share` has.
pub(super) async fn fetch(
    target: &Target,
    timeout: Duration,
    limit: usize,
    share: &mut Share,
) -> Result<(Format, Vec<u8>), Failure> {
    let request = Request::get(&target.path)
        .header(header::HOST, &target.authority)
        .header(header::ACCEPT, ACCEPT)
        .header(header::ACCEPT_ENCODING, "gzip")
        .header(header::USER_AGENT, concat!("siphon-agent/", env!("CARGO_PKG_VERSION")))
        .header("x-prometheus-scrape-timeout-seconds", timeout.as_secs_f64().to_string())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::Broken(error.to_string()))?;
    let exchange = client::exchange(&target.described.instance, request, async |response| {
        if response.status() != StatusCode::OK {
            return Err(Failure::Status(response.status().as_u16()));
        }
        read(response, Text { bytes: Vec::new(), limit, share, refused: None }).await
    });
    tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(Failure::Timeout))
}

async fn read(response: Response<Incoming>, text: Text<'_>) -> Result<(Format, Vec<u8>), Failure> {
    let format = Format::of_content_type(value(response.headers(), header::CONTENT_TYPE));
    let encoding = value(response.headers(), header::CONTENT_ENCODING).to_ascii_lowercase();
    let mut decoder = match encoding.as_str() {
        "" | "identity" => Decoder::Plain(text),
        "gzip" | "x-gzip" => Decoder::Gzip(Box::new(MultiGzDecoder::new(text))),
        _ => return Err(Failure::Encoding("it is not gzip".to_owned())),
    };
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Unreachable::Broken)?;
        decoder.write(frame.data_ref().map_or(&[][..], |data| &data[..]))?;
    }
    Ok((format, decoder.finish()?))
}

fn value(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

/// What makes a text of a body.
enum Decoder<'a> {
    Plain(Text<'a>),
    Gzip(Box<MultiGzDecoder<Text<'a>>>),
}

impl<'a> Decoder<'a> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match self {
            Self::Plain(text) => text.write_all(bytes),
            Self::Gzip(decoder) => decoder.write_all(bytes),
        };
        written.map_err(|error| self.failure(&error))
    }

    fn finish(mut self) -> Result<Vec<u8>, Failure> {
        let ended = match &mut self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(decoder) => decoder.try_finish(),
        };
        ended.map_err(|error| self.failure(&error))?;
        Ok(std::mem::take(&mut self.text().bytes))
    }

    fn failure(&mut self, error: &io::Error) -> Failure {
        self.text().refused.take().unwrap_or_else(|| Failure::Encoding(error.to_string()))
    }

    fn text(&mut self) -> &mut Text<'a> {
        match self {
            Self::Plain(text) => text,
            Self::Gzip(decoder) => decoder.get_mut(),
        }
    }
}

/// A text as it comes in: it takes no byte beyond its limit, nor beyond what is left for all.
struct Text<'a> {
    bytes: Vec<u8>,
    limit: usize,
    share: &'a mut Share,
    /// Why it takes no more.
    refused: Option<Failure>,
}

impl Text<'_> {
    fn reserve(&mut self, more: usize) -> Result<(), Failure> {
        let (length, capacity) = (self.bytes.len() + more, self.bytes.capacity());
        if length > self.limit {
            return Err(Failure::TooLarge(self.limit));
        }
        if length > capacity {
            let grown = length.max(capacity + capacity / 2).max(capacity + GROWTH_BYTES).min(self.limit);
            if !self.share.resize(grown) {
                return Err(Failure::Budget);
            }
            self.bytes.reserve_exact(grown - self.bytes.len());
        }
        Ok(())
    }
}

impl Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(failure) = self.reserve(bytes.len()) {
            self.refused = Some(failure);
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::{super::memory::Memory, *};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// What a gzipped body gives that comes in pieces of so many bytes.
    fn decoded(body: &[u8], piece: usize, limit: usize, memory: usize) -> Result<Vec<u8>, &'static str> {
        let mut share = Rc::new(Memory::new(memory)).share();
        let text = Text { bytes: Vec::new(), limit, share: &mut share, refused: None };
        let mut decoder = Decoder::Gzip(Box::new(MultiGzDecoder::new(text)));
        let written = body.chunks(piece).try_for_each(|piece| decoder.write(piece));
        written.and_then(|()| decoder.finish()).map_err(|failure| failure.reason())
    }

    #[test]
    fn a_gzipped_text_comes_out_whole_or_not_at_all() {
        let text = "a 1\n".repeat(5000).into_bytes();
        let body = gzip(&text);
        for piece in [1, 7, body.len()] {
            assert_eq!(decoded(&body, piece, text.len(), 1 << 20), Ok(text.clone()), "{piece}");
        }
        let twice = [gzip(b"a 1\n"), gzip(b"b 2\n")].concat();
        assert_eq!(decoded(&twice, 5, 100, 1 << 20), Ok(b"a 1\nb 2\n".to_vec()), "of two members");
        for broken in [&body[..body.len() - 1], b"", b"no gzip", &body[..20]] {
            assert_eq!(decoded(broken, 9, 1 << 20, 1 << 20), Err("encoding"));
        }
    }

    proptest! {
        /// A body that was cut, or of which bytes were changed: its text comes out whole and within the limit, or not at all.
        #[test]
        fn any_body_is_a_whole_text_or_none(
            text in prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..3000),
            (at, noise) in (0usize..400, prop::collection::vec(any::<u8>(), 0..4)),
            cut in 0usize..200,
            piece in 1usize..64,
            limit in 0usize..4000,
        ) {
            let whole = gzip(&text);
            let mut body = whole.clone();
            body.iter_mut().skip(at).zip(&noise).for_each(|(byte, noise)| *byte = *noise);
            body.truncate(body.len().saturating_sub(cut.saturating_sub(100)));
            let memory = Rc::new(Memory::new(4000));
            let mut share = memory.share();
            let sink = Text { bytes: Vec::new(), limit, share: &mut share, refused: None };
            let mut decoder = Decoder::Gzip(Box::new(MultiGzDecoder::new(sink)));
            let written = body.chunks(piece).try_for_each(|piece| decoder.write(piece));
            match written.and_then(|()| decoder.finish()) {
                Ok(made) => prop_assert!(made == text && made.len() <= limit),
                Err(failure) => prop_assert!(body != whole || text.len() > limit, "{}", failure),
            }
            drop(share);
            prop_assert!(memory.share().resize(4000), "all of it is given back");
        }
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        let bomb = gzip(&vec![b'a'; 8 << 20]);
        assert_eq!(decoded(&bomb, 100, 1 << 20, 2 << 20), Err("too_large"));
        assert_eq!(decoded(&bomb, 100, 1 << 20, 1 << 19), Err("budget"));
    }
}
