//! What comes in: one file or folder a source. Each hands bytes as received, or what they add up to, to the spool.

pub mod ecs;
pub mod metadata;
pub mod otlp;
pub mod otlp_grpc;
pub mod otlp_http;
pub mod prometheus;
pub mod statsd;
pub mod xray;

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    rc::Rc,
};

use log::info;
use otlp_grpc::OtlpGrpc;
use otlp_http::OtlpHttp;
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_local},
};
use xray::{
    XRaySockets,
    sampling::{self, SamplingServer},
    segments,
};

use crate::{
    StartError,
    agent::Agent,
    net::{self, udp},
    settings::{OTLP_GRPC_ADDRESS, OTLP_HTTP_ADDRESS, Settings},
};

/// The sockets of all receivers that are on.
pub struct Sockets {
    otlp_grpc: Option<TcpListener>,
    otlp_http: Option<TcpListener>,
    statsd: Option<UdpSocket>,
    xray: Option<XRaySockets>,
}

impl Sockets {
    /// Binds them, before anything else is done: who sends early waits in a socket's queue instead of being refused.
    ///
    /// # Errors
    /// [`StartError::Listen`] names the first that can't be had.
    pub fn bind(settings: &Settings) -> Result<Self, StartError> {
        let statsd = settings.statsd.address.map(|address| udp::bind(address, statsd::ADDRESS));
        Ok(Self {
            otlp_grpc: bind(settings.otlp_grpc_address, OTLP_GRPC_ADDRESS)?,
            otlp_http: bind(settings.otlp_http_address, OTLP_HTTP_ADDRESS)?,
            statsd: statsd.transpose()?,
            xray: settings.xray_address.map(XRaySockets::bind).transpose()?,
        })
    }

    /// Starts the receivers. Each ends after `closing` has turned true.
    ///
    /// # Errors
    /// If the operating system refuses one.
    pub fn serve(
        self,
        agent: &Rc<Agent>,
        closing: &watch::Receiver<bool>,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let mut tasks = Vec::new();
        if let Some(listener) = self.otlp_grpc {
            let listener = announced("otlp_grpc", listener)?;
            let receiver = Rc::new(OtlpGrpc::new(Rc::clone(agent)));
            let handle = move |_, request| {
                let receiver = Rc::clone(&receiver);
                async move { receiver.handle(request).await }
            };
            let listener = agent.listener("otlp_grpc", listener, otlp_grpc::LIMITS);
            tasks.push(spawn_local(net::serve_http2(listener, closing.clone(), handle)));
        }
        if let Some(listener) = self.otlp_http {
            let listener = announced("otlp_http", listener)?;
            let receiver = Rc::new(OtlpHttp::new(Rc::clone(agent)));
            let handle = move |_, request| {
                let receiver = Rc::clone(&receiver);
                async move { receiver.handle(request).await }
            };
            let listener = agent.listener("otlp_http", listener, otlp_http::LIMITS);
            tasks.push(spawn_local(net::serve(listener, None, closing.clone(), handle)));
        }
        if let Some(socket) = self.statsd {
            tasks.push(spawn_local(until_closing(statsd::start(agent, socket)?, closing.clone())));
        }
        if let Some(XRaySockets { udp, tcp }) = self.xray {
            tasks.push(spawn_local(until_closing(segments::start(agent, udp)?, closing.clone())));
            let server = Rc::new(SamplingServer::new(Rc::clone(agent)));
            let handle = move |_, request| {
                let server = Rc::clone(&server);
                async move { server.handle(request).await }
            };
            let listener = announced("xray_sampling", tcp)?;
            let listener = agent.listener("sampling", listener, sampling::LIMITS);
            tasks.push(spawn_local(net::serve(listener, None, closing.clone(), handle)));
        }
        Ok(tasks)
    }
}

async fn until_closing(receiver: impl Future<Output = ()>, mut closing: watch::Receiver<bool>) {
    tokio::select! {
        () = receiver => {}
        _ = closing.wait_for(|closing| *closing) => {}
    }
}

fn bind(address: Option<SocketAddr>, setting: &'static str) -> Result<Option<TcpListener>, StartError> {
    address.map(|address| net::listen(address, setting)).transpose()
}

fn announced(receiver: &'static str, listener: TcpListener) -> io::Result<tokio::net::TcpListener> {
    info!(receiver, address:% = listener.local_addr()?; "listening");
    tokio::net::TcpListener::from_std(listener)
}
