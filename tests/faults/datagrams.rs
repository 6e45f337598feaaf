//! What an application sends over UDP, and gets no answer to: segment documents of an X-Ray SDK, and StatsD lines.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::json;
use siphon_core::wire::Kind;

use crate::sender::{Answer, Sent, now};

/// Where an agent takes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UdpPorts {
    pub(crate) xray: SocketAddr,
    pub(crate) statsd: SocketAddr,
}

/// Sends them.
pub(crate) struct Datagrams {
    socket: UdpSocket,
    to: UdpPorts,
    id: String,
    number: u32,
    /// Packets of StatsD lines.
    packets: Arc<AtomicU64>,
}

impl Datagrams {
    /// Of the application `id`, whose number tells its segments from all others.
    pub(crate) fn new(to: UdpPorts, id: String, number: u32, packets: Arc<AtomicU64>) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self { socket, to, id, number, packets }
    }

    /// One document, and one packet of lines. `n` is new each time.
    pub(crate) fn send(&self, n: u32) -> Sent {
        let span = format!("{:08x}{:08x}", self.number, 0x8000_0000 | n);
        let document = self.document(&span);
        let _ = self.socket.send_to(document.as_bytes(), self.to.xray); // nobody may be there any more
        let Self { id, .. } = self;
        let packet =
            format!("faults_packets:1|c|#key:{}\nfaults_level:{n}|g|#key:{id}-level", packets_key(id));
        self.packets.fetch_add(1, Ordering::Relaxed);
        let _ = self.socket.send_to(packet.as_bytes(), self.to.statsd);
        Sent { kind: Kind::XraySegment, answer: Answer::None, samples: Vec::new(), spans: vec![span] }
    }

    fn document(&self, span: &str) -> String {
        let seconds = now() / 1000;
        let trace = format!("1-{seconds:08x}-{:08x}{:016x}", self.number, 8);
        let document = json!({
            "name": "faults", "id": span, "trace_id": trace, "start_time": seconds, "end_time": seconds,
        });
        format!("{{\"format\":\"json\",\"version\":1}}\n{document}")
    }
}

/// The key of the counter that counts an application's packets.
pub(crate) fn packets_key(id: &str) -> String {
    format!("{id}-packets")
}
