//! Which schedules are run: always the same ones, one that is asked for, or new ones for a while.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

/// Schedules that run side by side: they mostly wait.
const AT_ONCE: usize = 8;

/// So many failures tell enough.
const MOST_FAILURES: usize = 5;

/// Runs `schedule` for each seed, of the test `name`: from 1 to `usual`, unless the environment asks for others.
///
/// # Panics
/// If one gives an error or panics. All that did are printed.
pub(crate) fn run<F: Future<Output = Result<(), String>>>(
    name: &str,
    usual: u64,
    schedule: impl Fn(u64) -> F + Sync,
) {
    let seeds = Seeds::from_environment(usual);
    let failures = Mutex::new(Vec::new());
    let runs = AtomicU64::new(0);
    let begun = Instant::now();
    let runtime = Runtime::new().unwrap();
    let work = || {
        while failures.lock().unwrap().len() < MOST_FAILURES
            && let Some(seed) = seeds.next()
        {
            runs.fetch_add(1, Ordering::Relaxed);
            let run = AssertUnwindSafe(|| runtime.block_on(schedule(seed)));
            let outcome = catch_unwind(run).unwrap_or_else(|_| Err("it panicked".to_owned()));
            if let Err(failure) = outcome {
                eprintln!(
                    "{failure}\nseed {seed} failed. Again: \
                     SIPHON_FAULT_SEED={seed} cargo test --workspace --test faults {name}"
                );
                failures.lock().unwrap().push(seed);
            }
        }
    };
    thread::scope(|scope| (0..AT_ONCE).for_each(|_| _ = scope.spawn(work)));
    runtime.shutdown_background();
    println!("{name}: {} schedules in {:.1?}", runs.into_inner(), begun.elapsed());
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "these seeds failed: {failures:?}");
}

struct Seeds {
    next: AtomicU64,
    end: u64,
    until: Option<Instant>,
}

impl Seeds {
    fn from_environment(usual: u64) -> Self {
        let (first, end, until) = match (number("SIPHON_FAULT_SEED"), number("SIPHON_SOAK_SECONDS")) {
            (Some(seed), _) => {
                log();
                (seed, seed + 1, None)
            }
            (None, Some(seconds)) => {
                let until = Instant::now() + Duration::from_secs(seconds);
                (fastrand::u64(1 << 16..1 << 48), u64::MAX, Some(until))
            }
            (None, None) => (1, usual + 1, None),
        };
        Self { next: AtomicU64::new(first), end, until }
    }

    fn next(&self) -> Option<u64> {
        let seed = self.next.fetch_add(1, Ordering::Relaxed);
        let goes_on = seed < self.end && self.until.is_none_or(|until| Instant::now() < until);
        goes_on.then_some(seed)
    }
}

/// What the function logs goes where the test prints.
fn log() {
    let _ = tracing_subscriber::fmt().with_ansi(false).with_test_writer().try_init(); // it may be there already
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, and is {text:?}")))
}
