//! Answers: a message and its status, or a status alone.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::{Body, Frame};
use prost::Message as _;
use siphon_core::{
    compression::Encoding,
    otlp::{
        MetricsAnswer,
        grpc::{framed, percent_encoded, retry_info},
    },
};

use crate::{
    ledger::Refused,
    receivers::otlp::{RETRY_SECONDS, Refusal},
};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// The body of an answer: a message and then the status, or nothing, where the status is among the headers.
#[derive(Debug)]
pub struct Reply {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let message = self.message.take().map(Frame::data);
        let frame = message.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && self.trailers.is_none()
    }
}

/// The call is taken, but for what `taken` says.
pub(super) fn success(taken: &MetricsAnswer) -> Response<Reply> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    let message = Some(Bytes::from(framed(&taken.encode_to_vec())));
    let mut answer = Response::new(Reply { message, trailers: Some(trailers) });
    answer.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    answer
}

/// The call is refused, or is none.
pub(super) fn error(refusal: &Refusal) -> Response<Reply> {
    if refusal.refused == Refused::ContentType {
        return not_grpc();
    }
    let mut answer = Response::new(Reply { message: None, trailers: None });
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, GRPC);
    headers.insert(STATUS, HeaderValue::from(u16::from(refusal.code())));
    let mut insert = |name, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    };
    insert(MESSAGE, percent_encoded(refusal.message()));
    match refusal.refused {
        Refused::Busy | Refused::Disk => {
            insert(DETAILS, retry_info(refusal.code(), refusal.message(), RETRY_SECONDS))
        }
        Refused::Encoding => insert(ACCEPT_ENCODING, format!("identity, {}", Encoding::NAMES)),
        _ => {}
    }
    answer
}

/// Who speaks no gRPC would not read its answer either.
fn not_grpc() -> Response<Reply> {
    let mut answer = Response::new(Reply { message: None, trailers: None });
    *answer.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    answer
}
