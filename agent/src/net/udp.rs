//! Datagrams: a socket with a large buffer, emptied in batches.

use std::{
    cell::RefCell,
    fs, io,
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    time::Duration,
};

use log::warn;
use socket2::SockRef;
use tokio::{task::yield_now, time::sleep};

use crate::StartError;

/// What is asked for the kernel's buffer. It gives at most `net.core.rmem_max`, and asks nobody.
const KERNEL_BUFFER_BYTES: usize = 1 << 20;

/// No datagram is longer.
const MAX_DATAGRAM_BYTES: usize = 1 << 16;

/// After so many datagrams, or so many bytes of them, others on this thread have their turn.
const BATCH_DATAGRAMS: usize = 64;
const BATCH_BYTES: usize = 128 << 10;

/// The most that [`Datagrams::receive_waiting`] takes: more than the kernel's buffer holds, so that it ends.
const MAX_BATCHES_WAITING: usize = 128;

/// How long an emptied socket is left alone. Waking up costs several times what a datagram costs, and the kernel's buffer
/// holds what comes meanwhile.
const REST: Duration = Duration::from_millis(3);

/// After so many looks in a row that found nothing, the next datagram wakes us.
const LOOKS_IN_VAIN: u32 = 2;

/// A socket for datagrams at `address`, which `setting` says.
///
/// # Errors
/// [`StartError::Listen`]
pub fn bind(address: SocketAddr, setting: &'static str) -> Result<UdpSocket, StartError> {
    let socket = UdpSocket::bind(address).and_then(|socket| {
        socket.set_nonblocking(true)?;
        SockRef::from(&socket).set_recv_buffer_size(KERNEL_BUFFER_BYTES)?;
        Ok(socket)
    });
    socket.map_err(|source| StartError::Listen { address, setting, source })
}

/// What arrives at a socket.
pub struct Datagrams {
    socket: UdpSocket,
    buffer: RefCell<Box<[u8]>>,
    /// Its number in the kernel's tables.
    inode: String,
}

impl Datagrams {
    /// What arrives at a socket of [`bind`].
    ///
    /// # Errors
    /// If the operating system refuses to watch it.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap_or_default();
        let inode = link.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
        let buffer = RefCell::new(vec![0; MAX_DATAGRAM_BYTES].into_boxed_slice());
        Ok(Self { socket, buffer, inode })
    }

    /// Hands each datagram to `take`, for ever.
    pub async fn receive(&self, mut take: impl FnMut(&[u8], SocketAddr)) {
        loop {
            if let Err(error) = self.until_one_waits().await {
                warn!(error:%; "a socket gives no datagrams; trying again");
                sleep(Duration::from_secs(1)).await;
            }
            let mut in_vain = 0;
            while in_vain < LOOKS_IN_VAIN {
                in_vain += 1;
                let batch = self.batch(&mut |datagram, peer| {
                    in_vain = 0;
                    take(datagram, peer);
                });
                match batch {
                    Ok(()) => yield_now().await,
                    Err(_) => sleep(REST).await,
                }
            }
        }
    }

    /// The socket is watched here and nowhere else: one that stays watched wakes the thread with each datagram, also while
    /// nobody waits for it.
    async fn until_one_waits(&self) -> io::Result<()> {
        tokio::net::UdpSocket::from_std(self.socket.try_clone()?)?.readable().await
    }

    /// Hands each datagram that waits in the kernel to `take`, now.
    pub fn receive_waiting(&self, mut take: impl FnMut(&[u8], SocketAddr)) {
        for _ in 0..MAX_BATCHES_WAITING {
            if self.batch(&mut take).is_err() {
                return;
            }
        }
    }

    fn batch(&self, take: &mut impl FnMut(&[u8], SocketAddr)) -> io::Result<()> {
        let mut buffer = self.buffer.borrow_mut();
        let mut bytes = 0;
        for _ in 0..BATCH_DATAGRAMS {
            let (length, peer) = self.socket.recv_from(&mut buffer)?;
            take(buffer.get(..length).unwrap_or_default(), peer);
            bytes += length;
            if bytes > BATCH_BYTES {
                break;
            }
        }
        Ok(())
    }

    /// How many datagrams the kernel has dropped because its buffer was full; 0 where it doesn't tell.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let tables = ["/proc/net/udp", "/proc/net/udp6"];
        let drops = |path| dropped_by(&fs::read_to_string(path).unwrap_or_default(), &self.inode);
        tables.into_iter().find_map(drops).unwrap_or(0)
    }
}

/// The last column of the line whose tenth is `inode`.
fn dropped_by(table: &str, inode: &str) -> Option<u64> {
    let line = table.lines().find(|line| line.split_whitespace().nth(9) == Some(inode))?;
    line.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  212: 0100007F:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 7
  213: 0100007F:1FBE 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 0
";

    #[test]
    fn a_socket_is_found_in_the_kernels_table() {
        assert_eq!(dropped_by(TABLE, "4711"), Some(7));
        assert_eq!(dropped_by(TABLE, "4712"), Some(0));
        assert_eq!(dropped_by(TABLE, "471"), None);
        assert_eq!(dropped_by("", ""), None);
    }

    #[tokio::test]
    async fn what_waits_is_taken_and_what_the_kernel_drops_is_counted() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(socket) = bind(address.parse().unwrap(), "TEST") else { continue }; // no IPv6 here
            let to = socket.local_addr().unwrap();
            let datagrams = Datagrams::new(socket).unwrap();
            let sender = UdpSocket::bind((to.ip(), 0)).unwrap();
            let sent: u64 = 20_000;
            (0..sent).for_each(|_| assert_eq!(sender.send_to(b"a:1|c", to).unwrap(), 5));
            let mut taken = 0;
            datagrams.receive_waiting(|datagram, peer| {
                assert_eq!((datagram, peer), (&b"a:1|c"[..], sender.local_addr().unwrap()));
                taken += 1;
            });
            assert!(taken > 0 && datagrams.dropped() > 0, "{taken}");
            assert_eq!(taken + datagrams.dropped(), sent);
        }
    }
}
