//! Kills a scraper at a point that the parties around it observe.

use std::sync::Mutex;

use tokio::sync::oneshot;

/// Where a scraper is when it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// Its pull is on the wire, and not yet with the agent.
    BeforePull,
    /// A page is with it.
    AfterPull,
    /// A write is with the receiver, which has not stored it.
    MidWrite,
    /// The receiver has stored a write, and not yet answered.
    AfterWrite,
    /// The receiver has answered.
    AfterAnswer,
    /// Its ack is on the wire, and not yet with the agent.
    BeforeAck,
    /// The agent has taken its ack.
    AfterAck,
    /// Any: after so many polls of the whole invocation.
    Poll(u32),
}

impl Point {
    /// Those that somebody observes.
    pub(crate) const OBSERVED: [Self; 7] = [
        Self::BeforePull,
        Self::AfterPull,
        Self::MidWrite,
        Self::AfterWrite,
        Self::AfterAnswer,
        Self::BeforeAck,
        Self::AfterAck,
    ];
}

/// One scraper's death at a time may be prepared.
#[derive(Default)]
pub(crate) struct Trap(Mutex<Option<Armed>>);

struct Armed {
    point: Point,
    /// Passes before it snaps.
    passes: u32,
    kill: oneshot::Sender<()>,
    dead: oneshot::Receiver<()>,
}

/// The scraper's side.
pub(crate) struct Victim {
    /// Resolves when it is to die. An error: it may live.
    pub(crate) killed: oneshot::Receiver<()>,
    /// To be sent, or dropped, once it is dead.
    pub(crate) dead: oneshot::Sender<()>,
}

impl Trap {
    /// Kills the scraper that gets the [`Victim`] when somebody passes `point` for the `passes + 1`st time. The one before
    /// lives.
    pub(crate) fn arm(&self, point: Point, passes: u32) -> Victim {
        let ((kill, killed), (die, dead)) = (oneshot::channel(), oneshot::channel());
        *self.0.lock().unwrap() = Some(Armed { point, passes, kill, dead });
        Victim { killed, dead: die }
    }

    /// Says that a scraper is at `point`. Returns at once, or when that scraper is dead.
    pub(crate) async fn pass(&self, point: Point) {
        let armed = {
            let mut armed = self.0.lock().unwrap();
            match &mut *armed {
                Some(Armed { point: at, passes, .. }) if *at == point && *passes > 0 => {
                    *passes -= 1;
                    None
                }
                Some(Armed { point: at, .. }) if *at == point => armed.take(),
                _ => None,
            }
        };
        if let Some(Armed { kill, dead, .. }) = armed {
            let _ = kill.send(()); // it may have ended by itself
            let _ = dead.await;
        }
    }
}
