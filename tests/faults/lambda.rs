//! The scraping function's execution environment: frozen between invocations, and killed in one: all its tasks and sockets
//! end at once.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use serde_json::Value;
use siphon_scrape::handler::{Context, Scraped};
use tokio::{
    runtime::{self, Runtime},
    task::spawn_blocking,
};

use crate::{
    function::{Function, handle},
    process,
    trap::{Point, Trap, Victim},
};

/// One environment; the next invocation after its death has a new one.
#[derive(Default)]
pub(crate) struct Lambda(Option<Warm>);

/// What an environment keeps between invocations. Its connections go on only where its runtime does.
struct Warm {
    runtime: Runtime,
    context: Context,
}

impl Warm {
    fn start(function: &Function) -> Self {
        let runtime = new_runtime();
        let context = runtime.block_on(function.context());
        Self { runtime, context }
    }
}

/// When an invocation is killed, if it is.
pub(crate) enum Death {
    Never,
    /// When the trap snaps.
    Trapped(Victim),
    /// In place of the poll after so many.
    AfterPolls(u32),
    /// When the trap snaps; and the environment is a process, which gets SIGKILL.
    OfProcess(Victim),
}

impl Point {
    /// How an invocation dies at this point, in a process of its own or in this one.
    pub(crate) fn death(self, passes: u32, is_process: bool, trap: &Trap) -> Death {
        match self {
            Self::Poll(polls) => Death::AfterPolls(polls),
            observed if is_process => Death::OfProcess(trap.arm(observed, passes)),
            observed => Death::Trapped(trap.arm(observed, passes)),
        }
    }
}

impl Lambda {
    /// Runs one invocation. `None` if it was killed, or was a process and nobody knows.
    pub(crate) async fn invoke(
        &mut self,
        function: &Function,
        event: Value,
        left: Duration,
        death: Death,
    ) -> Option<Scraped> {
        let (victim, polls) = match death {
            Death::Never => (None, u32::MAX),
            Death::Trapped(victim) => (Some(victim), u32::MAX),
            Death::AfterPolls(polls) => (None, polls),
            Death::OfProcess(victim) => {
                process::invoke(function, event, left, victim).await;
                return None;
            }
        };
        let (started, warm) = (function.clone(), self.0.take());
        let run = spawn_blocking(move || {
            let Warm { runtime, context } = warm.unwrap_or_else(|| Warm::start(&started));
            let (killed, dead) = victim.map(|Victim { killed, dead }| (killed, dead)).unzip();
            let scraped = runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = snapped(killed) => None,
                    scraped = at_most(polls, handle(event, &context, left)) => scraped,
                }
            });
            let warm = scraped.is_some().then_some(Warm { runtime, context }); // else it ends here, before it counts as dead
            drop(dead);
            (warm, scraped)
        });
        let (warm, scraped) = run.await.unwrap();
        self.0 = warm;
        scraped.iter().for_each(|scraped| function.look_through(&scraped.tally));
        scraped
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        if let Some(warm) = self.0.take() {
            warm.runtime.shutdown_background();
        }
    }
}

/// The function's own: one thread.
pub(crate) fn new_runtime() -> Runtime {
    runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Resolves when the trap snaps, if there is one and it does.
pub(crate) async fn snapped(trap: Option<tokio::sync::oneshot::Receiver<()>>) {
    let is_killed = match trap {
        Some(killed) => killed.await.is_ok(),
        None => false,
    };
    if !is_killed {
        pending().await
    }
}

/// Gives up `future`, and with it all that it holds, in place of the poll after `polls`.
async fn at_most<T>(polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(move |context| {
        polled += 1;
        if polled > polls { Poll::Ready(None) } else { future.as_mut().poll(context).map(Some) }
    })
    .await
}
