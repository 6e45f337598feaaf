//! Health: whether this agent listens, for a container health check in an image without a shell.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use http::StatusCode;
use serde_json::json;

use crate::{
    agent::Agent,
    net::{self, Answer, Peer},
};

/// Where the pull port answers.
pub const PATH: &str = "/health";

const TIMEOUT: Duration = Duration::from_secs(3);

/// The agent's answer, if this machine asks for `path`. The pull port is open to others, for whom there is no such path.
#[must_use]
pub fn answer(agent: &Agent, peer: Peer, path: &str) -> Option<Answer> {
    if !peer.is_local || path != PATH {
        return None;
    }
    let body = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": agent.started.elapsed().as_secs(),
        "task_known": agent.identity.borrow().is_some(),
        "stopping": agent.stopping.get(),
    });
    Some(net::answer(StatusCode::OK, "application/json", body.to_string()))
}

/// Asks the agent that listens on `pull_address` whether it is well.
///
/// # Errors
/// Why it is not, in words.
pub fn check(pull_address: SocketAddr) -> Result<String, String> {
    let address = reachable(pull_address);
    let status = ask(address).map_err(|error| format!("no answer from {address}: {error}"))?;
    if status.contains(" 200 ") {
        Ok(format!("healthy: {address} answers"))
    } else {
        Err(format!("unhealthy: {address} answers {status:?}"))
    }
}

/// The first line of the answer.
fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {PATH} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(64 << 10).read_to_end(&mut answer)?;
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}

/// An address to connect to: who listens on all addresses is asked on loopback.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listening.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn others_are_not_told() {
        let settings = Settings::read(|name| (name == "SIPHON_KEY").then(|| "0b".repeat(32))).unwrap();
        let agent = Agent::new(settings, siphon_core::wire::BootId([0; 16]), &[0; 16]);
        let address = SocketAddr::from(([10, 0, 0, 9], 1));
        let is_told = |is_local, path| answer(&agent, Peer { address, is_local }, path).is_some();
        assert!(is_told(true, PATH) && !is_told(false, PATH) && !is_told(true, "/v1/pull"));
    }

    #[test]
    fn who_listens_everywhere_is_asked_on_loopback() {
        for (listening, asked) in [
            ("0.0.0.0:4319", "127.0.0.1:4319"),
            ("[::]:4319", "[::1]:4319"),
            ("127.0.0.7:4319", "127.0.0.7:4319"),
        ] {
            assert_eq!(reachable(listening.parse().unwrap()).to_string(), asked);
        }
    }
}
