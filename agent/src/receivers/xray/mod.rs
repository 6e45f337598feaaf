//! The X-Ray daemon's part: segments over UDP, and over TCP on the same port what SDKs ask for sampling.

pub mod sampling;
pub mod segments;

use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::{StartError, net, settings::XRAY_ADDRESS};

/// Both sockets, on one port.
pub struct XRaySockets {
    /// For segments.
    pub udp: UdpSocket,
    /// For sampling.
    pub tcp: TcpListener,
}

impl XRaySockets {
    /// Binds them.
    ///
    /// # Errors
    /// [`StartError::Listen`]
    pub fn bind(address: SocketAddr) -> Result<Self, StartError> {
        let tcp = net::listen(address, XRAY_ADDRESS)?;
        // Where the system chooses the port, it chooses one.
        let address = tcp.local_addr()?;
        Ok(Self { udp: net::udp::bind(address, XRAY_ADDRESS)?, tcp })
    }
}
