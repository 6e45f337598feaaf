//! AWS JSON 1.0 and 1.1: the shape of answers and errors.

use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The protocol's versions differ in the content type only.
#[derive(Clone, Copy)]
pub(crate) enum Version {
    V1_0,
    V1_1,
}

/// An error answer, status 400.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl Version {
    pub(crate) fn accept(self, value: &Value) -> Response {
        self.answer(StatusCode::OK, value)
    }

    pub(crate) fn refuse(self, refusal: &Refusal) -> Response {
        let Refusal { code, message } = refusal;
        let mut answer = self.answer(StatusCode::BAD_REQUEST, &json!({ "__type": code, "message": message }));
        if let Ok(value) = format!("{code};Sender").parse() {
            answer.headers_mut().insert("x-amzn-query-error", value);
        }
        answer
    }

    fn answer(self, status: StatusCode, value: &Value) -> Response {
        let content_type = match self {
            Self::V1_0 => "application/x-amz-json-1.0",
            Self::V1_1 => "application/x-amz-json-1.1",
        };
        (status, [(header::CONTENT_TYPE, content_type)], value.to_string()).into_response()
    }
}

/// Reads a request; an empty body counts as an empty object.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Refusal::new("SerializationException", error.to_string()))
}
