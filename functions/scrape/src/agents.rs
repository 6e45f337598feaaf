//! How agents are reached: with which keys, and whether over TLS.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use aws_config::SdkConfig;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    agent_client::AgentError, agent_tls::AgentTls, clients::HttpsClient, keys::Keyring, settings::Config,
    start_error::StartError,
};

/// An agent in the same VPC answers within milliseconds; one that is gone never does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Large answers that are in memory at once. Anybody at an agent's address can make one, signed or not, and Lambda gives
/// little memory.
const LARGE_ANSWERS: usize = 3;

/// Over what requests to an agent go.
pub(crate) type Connection = SendRequest<Full<Bytes>>;

/// What lives as long as the execution environment.
pub struct Agents {
    /// What agents and function share.
    pub(crate) keyring: Keyring,
    /// `None` where pulls go without.
    tls: Option<AgentTls>,
    large_answers: Arc<Semaphore>,
}

/// Held for as long as a large answer is in memory.
pub(crate) type Room = OwnedSemaphorePermit;

impl Agents {
    /// As `config` says.
    ///
    /// # Errors
    /// [`StartError`], if the keys are in a secret that can't be had.
    pub async fn new(config: &Config, https: &HttpsClient, aws: &SdkConfig) -> Result<Self, StartError> {
        let pins = config.agent_certificates.clone();
        let tls = (!pins.is_empty()).then(|| AgentTls::pinned(pins)).transpose().map_err(StartError::Tls)?;
        let keyring = Keyring::open(config, https, aws).await?;
        Ok(Self { keyring, tls, large_answers: Arc::new(Semaphore::new(LARGE_ANSWERS)) })
    }

    /// Waits until a large answer may be read on. `None` would mean that the semaphore is closed, which it never is.
    pub(crate) async fn room(&self) -> Option<Room> {
        Arc::clone(&self.large_answers).acquire_owned().await.ok()
    }

    /// Connects to the agent at `address`.
    pub(crate) async fn connect(&self, address: SocketAddr) -> Result<Connection, AgentError> {
        // In a box: the future of a whole drain has this in it, deeper than the compiler looks.
        let connect = Box::pin(async {
            let stream = tcp(address).await.map_err(AgentError::Unreachable)?;
            match &self.tls {
                None => speak(stream).await,
                Some(tls) => speak(tls.secured(address.ip(), stream).await.map_err(AgentError::Tls)?).await,
            }
        });
        timeout(CONNECT_TIMEOUT, connect).await.map_err(|_| AgentError::Timeout)?
    }
}

async fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Connection, AgentError> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(AgentError::Broken)?;
    tokio::spawn(connection); // ends when `sender` is dropped; its error reaches us through the answer
    Ok(sender)
}
