//! The AWS side on one machine: runs the real agent and the real functions, without an account.
//!
//! ```text
//!   shop ──OTLP──► siphon-agent ◄──pull── siphon-scrape ──remote write──► amp   ──► accounts ──► terminal
//!                      │  ▲                    ▲    └────segments───────► xray  ──► store    ──► page
//!             metadata─┘  │                    │ Runtime API                        summary
//!                       tasks ──► ecs ──► siphon-enumerate ──► sqs ──► event source
//!                         └──► task events ──► siphon-scrape, once more for each task that stops
//! ```
//!
//! | part | stands in for | module |
//! |---|---|---|
//! | `tasks`, `metadata`, `agents` | an ECS cluster, its tasks' metadata endpoint, the agent's containers | real agent processes |
//! | `aws::ecs`, `aws::sqs` | the ECS and SQS APIs | AWS JSON, signature verified |
//! | `aws::lambda`, `aws::events`, `aws::task_events`, `aws::event_source`, `functions` | Lambda, EventBridge's schedule and rule, the SQS trigger | real function processes |
//! | `amp` | Amazon Managed Service for Prometheus | stricter than Prometheus: what AMP refuses is refused |
//! | `aws::xray` | X-Ray | documents validated one by one |
//! | `shop` | the applications | real OTLP over HTTP |
//!
//! What the receivers stored and what the agents counted meets in `accounts`; nothing there comes from what was sent.

mod accounts;
mod agents;
mod amp;
mod aws;
mod binaries;
mod clock;
mod flags;
mod functions;
mod guard;
mod http_client;
mod memory;
mod metadata;
mod page;
mod process;
pub mod receivers;
mod run;
mod shop;
mod store;
mod summary;
mod tasks;
mod terminal;
mod tls;

use std::{ffi::OsString, process::ExitCode};

/// Runs with the given arguments (without the program's name). Exit code 2: bad flags; 1: something that should run
/// could not be started.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<_> = args.into_iter().collect();
    if args == [guard::ARGUMENT] {
        guard::guard(std::io::stdin().lock());
        return ExitCode::SUCCESS;
    }
    let flags = match flags::parse(args) {
        Ok(flags::Parsed::Run(flags)) => flags,
        Ok(flags::Parsed::Say(text)) => {
            println!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(refused) => {
            eprintln!("{refused}\nsiphon-local --help lists every flag.");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("can't start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run::run(*flags)) {
        Ok(run::Outcome::Complete) => ExitCode::SUCCESS,
        Ok(run::Outcome::Incomplete) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("siphon-local: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Locks `mutex`. What it guards are counters and caches: a panic elsewhere leaves them usable.
fn lock<T: ?Sized>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
