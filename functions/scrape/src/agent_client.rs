//! Talks to one agent: HTTP/1.1, proven both ways by the shared key; over TLS by setting.

use std::{net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde::Serialize;
use siphon_core::{
    excerpt::message,
    shard::Target,
    wire::{
        ACK_PATH, Ack, MAX_PAGE_BYTES, PULL_PATH, Page, PageError, PullRequest, Refusal, RefusalCode,
        SAMPLING_PATH, SamplingHandover,
        signature::{self, BodyDigest, Key, Nonce, SignedRequest},
    },
};
use tokio::time::timeout_at;

use crate::{
    agents::{Agents, Connection, Room},
    keys::KeyChoice,
    time::{Deadline, now},
};

/// Larger answers wait for one another. A page has 1 MiB, unless told otherwise or a record alone is larger.
const LARGE_ANSWER_BYTES: usize = 4 << 20;

/// Other answers than pages are words, and of a stranger as a rule.
const MAX_WORDS_BYTES: usize = 64 << 10;

/// For one exchange, connecting included.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why an agent's data did not come, or its ack did not arrive. Its data stays with it.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// No connection: the task has ended, or a security group is in the way.
    #[error("can't connect; is the task gone, does its security group admit this function's?")]
    Unreachable(#[source] std::io::Error),
    /// It speaks no TLS, or shows another certificate.
    #[error("no TLS handshake; has the agent a certificate, and is it among SIPHON_AGENT_CERTIFICATES?")]
    Tls(#[source] std::io::Error),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke, or what came back is no HTTP.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    /// The answer is larger than any page, or than any refusal.
    #[error("the answer is over {0} bytes")]
    TooLarge(usize),
    /// The answer is not signed with the shared key: something else listens at the address.
    #[error(
        "the answer, status {0}, is not signed with this key; do agent and function have the same SIPHON_KEY?"
    )]
    Unsigned(StatusCode),
    /// The agent said no.
    #[error("refused, {0}")]
    Refused(#[source] Refusal),
    /// Signed, but not what was asked for: agent and function are of different versions.
    #[error("unexpected answer, status {0}; are agent and function of the same version?")]
    Unexpected(StatusCode),
    /// Signed, but no page: agent and function are of different versions.
    #[error("unreadable page")]
    Page(#[source] PageError),
    /// The request could not be made.
    #[error("the request could not be made: {0}")]
    Request(String),
}

impl AgentError {
    /// The name in the report.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Tls(_) => "tls",
            Self::Timeout => "timeout",
            Self::Broken(_) => "broken",
            Self::TooLarge(_) => "too_large",
            Self::Unsigned(_) => "unsigned",
            Self::Refused(refusal) => refusal.code.name(),
            Self::Unexpected(_) => "unexpected",
            Self::Page(_) => "bad_page",
            Self::Request(_) => "request",
        }
    }

    /// Whether the agent does not know the key that it was asked with. Anybody can say so: nothing but another key may
    /// follow from it.
    #[must_use]
    pub const fn is_of_key(&self) -> bool {
        matches!(self, Self::Refused(Refusal { code: RefusalCode::BadSignature, .. }))
    }
}

/// A page, and the room that it takes.
pub struct Pulled {
    /// What was handed out.
    pub page: Page,
    _room: Option<Room>,
}

/// One agent, and the connection to it: kept from pull to ack to pull.
pub struct AgentClient<'a> {
    address: SocketAddr,
    agents: &'a Agents,
    keys: &'a KeyChoice,
    connection: Option<Connection>,
}

impl<'a> AgentClient<'a> {
    /// Connects when first used.
    #[must_use]
    pub fn new(target: &Target, agents: &'a Agents, keys: &'a KeyChoice) -> Self {
        Self { address: SocketAddr::new(target.address, target.port), agents, keys, connection: None }
    }

    /// Asks for a page.
    ///
    /// # Errors
    /// [`AgentError`]; nothing was handed out, or it will be handed out again.
    pub async fn pull(&mut self, request: &PullRequest, deadline: Deadline) -> Result<Pulled, AgentError> {
        let answer = self.exchange(PULL_PATH, request, deadline).await?;
        match answer.status {
            StatusCode::OK => {
                let page = Page::decode(answer.body).map_err(AgentError::Page)?;
                Ok(Pulled { page, _room: answer.room })
            }
            other => Err(AgentError::Unexpected(other)),
        }
    }

    /// Says what is stored, and gives the lease back.
    ///
    /// # Errors
    /// [`AgentError`]; what is stored will be handed out, and written, again.
    pub async fn ack(&mut self, ack: &Ack, deadline: Deadline) -> Result<(), AgentError> {
        let answer = self.exchange(ACK_PATH, ack, deadline).await?;
        match answer.status {
            StatusCode::NO_CONTENT => Ok(()),
            other => Err(AgentError::Unexpected(other)),
        }
    }

    /// Hands over what X-Ray says of sampling.
    ///
    /// # Errors
    /// [`AgentError`]; the agent goes on with what it has, and statistics that X-Ray has will be reported again.
    pub async fn hand_over(
        &mut self,
        handover: &SamplingHandover<'_>,
        deadline: Deadline,
    ) -> Result<(), AgentError> {
        let answer = self.exchange(SAMPLING_PATH, handover, deadline).await?;
        match answer.status {
            StatusCode::NO_CONTENT => Ok(()),
            other => Err(AgentError::Unexpected(other)),
        }
    }

    /// One signed request, one proven answer that is no refusal. If the agent does not know the key, once more with the
    /// other one.
    async fn exchange(
        &mut self,
        path: &str,
        message: &impl Serialize,
        deadline: Deadline,
    ) -> Result<Answer, AgentError> {
        let body = serde_json::to_vec(message).map_err(|error| AgentError::Request(error.to_string()))?;
        let end = deadline.at().min(Deadline::after(EXCHANGE_TIMEOUT).at());
        let exchange = self.believed(path, body.into());
        timeout_at(end, exchange).await.map_err(|_| AgentError::Timeout)?
    }

    async fn believed(&mut self, path: &str, body: Bytes) -> Result<Answer, AgentError> {
        let keys = self.keys;
        let key = keys.preferred();
        let refused = match self.send(key, path, body.clone()).await?.check(key) {
            Err(error) if error.is_of_key() => error,
            done => return done,
        };
        let Some(other) = keys.instead_of(key) else { return Err(refused) };
        let answer = self.send(other, path, body).await?.check(other);
        if !answer.as_ref().is_err_and(AgentError::is_of_key) {
            keys.prefer(other);
        }
        answer
    }

    async fn send(&mut self, key: &Key, path: &str, body: Bytes) -> Result<Answer, AgentError> {
        if let Some(kept) = self.connection.take() {
            match self.send_over(kept, key, path, body.clone()).await {
                Err(AgentError::Broken(_)) => {} // closed while we were writing elsewhere: a new one will do
                done => return done,
            }
        }
        let connection = self.agents.connect(self.address).await?;
        self.send_over(connection, key, path, body).await
    }

    async fn send_over(
        &mut self,
        mut connection: Connection,
        key: &Key,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, AgentError> {
        let nonce = nonce()?;
        let request = self.request(key, path, nonce, body)?;
        connection.ready().await.map_err(AgentError::Broken)?;
        let (head, body) = connection.send_request(request).await.map_err(AgentError::Broken)?.into_parts();
        let signature = head.headers.get(signature::SIGNATURE).cloned();
        let most = if head.status == StatusCode::OK { MAX_PAGE_BYTES } else { MAX_WORDS_BYTES };
        let (body, room) = self.read(body, most).await?;
        self.connection = Some(connection);
        Ok(Answer { status: head.status, nonce, signature, body, room })
    }

    /// The whole body, if it is of at most so many bytes, and the room that a large one takes.
    async fn read(&self, mut body: Incoming, most: usize) -> Result<(Bytes, Option<Room>), AgentError> {
        let (mut bytes, mut room) = (BytesMut::new(), None);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(AgentError::Broken)?.into_data() else { continue };
            let length = bytes.len() + data.len();
            if length > most {
                return Err(AgentError::TooLarge(most));
            }
            if length > LARGE_ANSWER_BYTES && room.is_none() {
                room = self.agents.room().await;
            }
            bytes.extend_from_slice(&data);
        }
        Ok((bytes.freeze(), room))
    }

    fn request(
        &self,
        key: &Key,
        path: &str,
        nonce: Nonce,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, AgentError> {
        let digest = BodyDigest::of(&body);
        let signed = SignedRequest { method: "POST", path, time: now(), nonce, digest };
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in signed.headers(key) {
            request = request.header(name, value);
        }
        request.body(Full::new(body)).map_err(|error| AgentError::Request(error.to_string()))
    }
}

/// Sixteen bytes that can't be guessed.
///
/// # Errors
/// [`AgentError::Request`] if the system has no randomness to give.
pub fn random() -> Result<[u8; 16], AgentError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| AgentError::Request(error.to_string()))?;
    Ok(bytes)
}

fn nonce() -> Result<Nonce, AgentError> {
    random().map(Nonce)
}

/// What came back, not believed yet.
struct Answer {
    status: StatusCode,
    nonce: Nonce,
    signature: Option<HeaderValue>,
    body: Bytes,
    room: Option<Room>,
}

impl Answer {
    /// The answer, if it proves the key and is no refusal. A refusal for want of proof comes unsigned, since the agent
    /// doesn't know us; it only gives the failure its name.
    fn check(self, key: &Key) -> Result<Self, AgentError> {
        let Self { status, nonce, ref signature, ref body, .. } = self;
        let signature = signature.as_ref().and_then(|value| value.to_str().ok());
        let proven = signature.is_some_and(|text| key.accepts_answer(status.as_u16(), nonce, body, text));
        if proven && status.is_success() {
            return Ok(self);
        }
        let refusal = serde_json::from_slice::<Refusal>(body).ok();
        match refusal.filter(|refusal| refusal.code.status() == status.as_u16()) {
            Some(Refusal { code, message: words }) if proven || status == StatusCode::UNAUTHORIZED => {
                Err(AgentError::Refused(Refusal { code, message: message(words) }))
            }
            _ if proven => Err(AgentError::Unexpected(status)),
            _ => Err(AgentError::Unsigned(status)),
        }
    }
}
