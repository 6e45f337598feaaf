//! The network between scrapers and one address: passes requests and answers on, or breaks them at any byte.

use std::{
    io::{Error, Result},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use fastrand::Rng;
use siphon_core::{
    units::UnixMillis,
    wire::{
        ACK_PATH, PULL_PATH,
        signature::{BodyDigest, Key, NONCE, SignedRequest, TIME},
    },
};
use siphon_tests::KEY;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

use crate::{
    dice::Dice,
    http::Message,
    trap::{Point, Trap},
    view::View,
};

/// What becomes of one exchange. Parts are in thousandths of the message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Break {
    /// The agent gets part of the request; then both sides see the connection end.
    CutRequest(usize),
    /// The agent answers, and nothing of it arrives.
    LoseAnswer,
    /// Part of the answer arrives, then the connection is closed.
    CutAnswer(usize),
    /// Part of the answer arrives, then the connection is reset.
    ResetAnswer(usize),
    /// Part of the answer arrives, then nothing, ever.
    StallAnswer(usize),
    /// The answer arrives late, by so many milliseconds.
    DelayAnswer(u64),
    /// The request arrives twice: a second agent connection repeats it.
    RepeatRequest,
}

impl Break {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let part = rng.usize(..1000);
        match rng.u32(..7) {
            0 => Self::CutRequest(part),
            1 => Self::LoseAnswer,
            2 => Self::CutAnswer(part),
            3 => Self::ResetAnswer(part),
            4 => Self::StallAnswer(part),
            5 => Self::DelayAnswer(rng.u64(5..300)),
            _ => Self::RepeatRequest,
        }
    }
}

/// An agent's process behind the address.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) view: Mutex<View>,
}

/// An address that scrapers are sent to. Without an agent behind it, it refuses connections.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    dice: Dice<Break>,
    trap: Arc<Trap>,
    is_cut: AtomicBool,
    /// What scrapers' clocks are ahead of the agent's.
    skew_ms: AtomicI64,
}

impl Proxy {
    /// That of `address`, which nobody has yet.
    pub(crate) fn new(address: SocketAddr, dice: Dice<Break>, trap: Arc<Trap>) -> Self {
        let (is_cut, skew_ms) = (AtomicBool::new(false), AtomicI64::new(0));
        Self { address, shared: Arc::new(Shared { dice, trap, is_cut, skew_ms }), listening: None }
    }

    /// From now on, `upstream` has the address, until it has ended.
    pub(crate) async fn lead_to(&mut self, upstream: Option<Arc<Upstream>>) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            let _ = listening.await;
        }
        let Some(upstream) = upstream else { return };
        let listener = TcpListener::bind(self.address).await.unwrap();
        let shared = Arc::clone(&self.shared);
        self.listening = Some(tokio::spawn(async move {
            while let Ok((down, _)) = listener.accept().await {
                if shared.is_cut.load(Ordering::Relaxed) {
                    reset(down);
                    continue;
                }
                let Ok(up) = TcpStream::connect(upstream.address).await else { return reset(down) };
                let (shared, upstream) = (Arc::clone(&shared), Arc::clone(&upstream));
                tokio::spawn(async move { shared.serve(down, up, &upstream).await });
            }
        }));
    }

    /// Lets nothing through, or again all.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.shared.is_cut.store(is_cut, Ordering::Relaxed);
    }

    /// Sets scrapers' clocks to so much ahead of the agent's.
    pub(crate) fn skew(&self, ms: i64) {
        self.shared.skew_ms.store(ms, Ordering::Relaxed);
    }

    /// No more faults.
    pub(crate) fn calm(&self) {
        self.shared.dice.calm();
        self.cut(false);
        self.skew(0);
    }
}

impl Shared {
    /// Serves one connection until either side ends it, or it is broken.
    async fn serve(&self, mut down: TcpStream, mut up: TcpStream, upstream: &Upstream) {
        let (mut asked, mut answered) = (BytesMut::new(), BytesMut::new());
        while let Ok(request) = Message::read(&mut down, &mut asked).await {
            if self.is_cut.load(Ordering::Relaxed) {
                return reset(down);
            }
            let request = self.skewed(request);
            let fault = self.dice.roll();
            let point = if request.path() == ACK_PATH { Point::BeforeAck } else { Point::BeforePull };
            self.trap.pass(point).await;
            let Ok(answer) = forward(&request, fault, &mut up, &mut answered, upstream).await else {
                return;
            };
            match fault {
                Some(Break::LoseAnswer) => return reset(down),
                Some(Break::DelayAnswer(ms)) => sleep(Duration::from_millis(ms)).await,
                Some(Break::CutAnswer(part)) => {
                    let _ = down.write_all(first(&answer.bytes(), part)).await;
                    return;
                }
                Some(Break::ResetAnswer(part)) => {
                    let _ = down.write_all(first(&answer.bytes(), part)).await;
                    return reset(down);
                }
                Some(Break::StallAnswer(part)) => {
                    let _ = down.write_all(first(&answer.bytes(), part)).await;
                    let _ = Message::read(&mut down, &mut asked).await; // until the scraper gives up
                    return;
                }
                _ => {}
            }
            if down.write_all(&answer.bytes()).await.is_err() {
                return;
            }
            match request.path() {
                PULL_PATH => self.trap.pass(Point::AfterPull).await,
                ACK_PATH => self.trap.pass(Point::AfterAck).await,
                _ => {}
            }
        }
    }

    /// The request as a scraper with another clock had made it.
    fn skewed(&self, mut request: Message) -> Message {
        let skew = self.skew_ms.load(Ordering::Relaxed);
        let header = |name| request.header(name).unwrap_or_default().to_owned();
        let (Ok(time), Ok(nonce)) = (header(TIME).parse::<i64>(), header(NONCE).parse()) else {
            return request;
        };
        if skew == 0 {
            return request;
        }
        let (time, digest) = (UnixMillis(time + skew), BodyDigest::of(&request.body));
        let signed = SignedRequest { method: "POST", path: request.path(), time, nonce, digest };
        for (name, value) in signed.headers(&Key::from_hex(KEY).unwrap()) {
            request.set_header(name, &value);
        }
        request
    }
}

/// The agent's answer, noted. An error ends the connection.
async fn forward(
    request: &Message,
    fault: Option<Break>,
    up: &mut TcpStream,
    answered: &mut BytesMut,
    upstream: &Upstream,
) -> Result<Message> {
    if let Some(Break::CutRequest(part)) = fault {
        let bytes = request.bytes();
        up.write_all(first(&bytes, part)).await?;
        return Err(Error::other("told to"));
    }
    up.write_all(&request.bytes()).await?;
    let answer = Message::read(up, answered).await?;
    upstream.view.lock().unwrap().note(request, &answer);
    if matches!(fault, Some(Break::RepeatRequest)) {
        let mut other = TcpStream::connect(upstream.address).await?;
        other.write_all(&request.bytes()).await?;
        let repeated = Message::read(&mut other, &mut BytesMut::new()).await?;
        upstream.view.lock().unwrap().note(request, &repeated);
    }
    Ok(answer)
}

fn first(bytes: &[u8], thousandths: usize) -> &[u8] {
    &bytes[..bytes.len() * thousandths / 1000]
}

/// Ends a connection the hard way.
pub(crate) fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger(); // or it ends softly
}
