//! A schedule of faults, drawn from a seed: the same seed, the same schedule. When each step meets what the processes are
//! doing is up to the machine.

use std::{fmt, ops::RangeInclusive, time::Duration};

use fastrand::Rng;

use crate::{agent::Settings, backend::Trouble, run::CALM, sender::Habit, trap::Point};

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) seed: u64,
    pub(crate) agents: Settings,
    /// Of the tasks that are there from the start.
    pub(crate) habits: Vec<Habit>,
    /// Of each hundred exchanges with agents so many are broken.
    pub(crate) broken_percent: u32,
    /// Of each hundred writes so many meet trouble.
    pub(crate) trouble_percent: u32,
    /// The best version of remote write that the function may speak. No receiver here knows 2.0.
    pub(crate) remote_write: &'static str,
    /// The function keeps AMP's limits, and knows how AMP refuses.
    pub(crate) amp_limits: bool,
    /// The most that the function pulls at once.
    pub(crate) page_bytes: u32,
    /// Tasks in one message, and how many of them the function pulls at the same time.
    pub(crate) shard_tasks: usize,
    pub(crate) concurrent_agents: usize,
    /// Each with the milliseconds of peace after it.
    pub(crate) steps: Vec<(Step, u64)>,
}

/// Who takes the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// Stores the good samples of a request that it refuses.
    Amp,
    /// Rolls such a request back.
    Prometheus,
}

impl Receiver {
    /// Applications' clocks may be off by less than what it refuses, or takes out of order: by so much behind, and a sixth
    /// of it ahead.
    const fn most_skew_ms(self) -> i64 {
        match self {
            Self::Amp => 40 * 60 * 1000,
            Self::Prometheus => 20 * 60 * 1000,
        }
    }

    /// Samples of a large export. Of one that rolls back, each sample of a replay may have to be asked for.
    const fn many_gauges(self) -> RangeInclusive<u32> {
        match self {
            Self::Amp => 200..=400,
            Self::Prometheus => 30..=60,
        }
    }
}

/// What happens next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The function is invoked.
    Scrape(Scrape),
    /// A task's agent is killed, and started again.
    Restart(usize),
    /// A task's agent is killed; its address is given to a new task.
    Reuse(usize),
    /// A task is stopped; another is started.
    Replace(usize),
    /// A task is stopped by ECS, which lists it no more, and tells of it by events; another is started.
    End(usize, Vec<Event>),
    /// Nothing goes between scrapers and a task any more, or again.
    Cut(usize, bool),
    /// Scrapers' clocks are so many milliseconds ahead of a task's.
    Skew(usize, i64),
    /// Every write meets this; `None`: an end to it.
    Storm { metrics: Option<Trouble>, traces: Option<Trouble> },
}

/// An event that tells the function of a task that is stopping.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) delay: Duration,
    pub(crate) left: Duration,
    /// Where its environment dies, after passing it so often.
    pub(crate) death: Option<(Point, u32)>,
    /// That environment is a process, where it dies at a point that is observed.
    pub(crate) is_process: bool,
}

/// Invocations, all at the same time.
#[derive(Clone, Debug)]
pub(crate) struct Scrape {
    /// How many environments get the messages: SQS delivers at least once.
    pub(crate) copies: usize,
    /// Every message is in its event twice.
    pub(crate) is_doubled: bool,
    /// The messages of the listing so many before the latest come first.
    pub(crate) late_listing: Option<usize>,
    pub(crate) left: Duration,
    /// Where the first environment dies, after passing it so often.
    pub(crate) death: Option<(Point, u32)>,
    /// That environment is a process, where it dies at a point that is observed.
    pub(crate) is_process: bool,
    /// The next steps don't wait for it.
    pub(crate) goes_on: bool,
}

impl Schedule {
    /// That of `seed`, against such a receiver.
    pub(crate) fn draw(seed: u64, receiver: Receiver) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rng = &mut rng;
        let is_crowded = rng.u32(..12) == 0;
        let tasks = if is_crowded { rng.usize(4..=20) } else { rng.usize(1..=3) };
        let amp_limits = receiver == Receiver::Amp && rng.bool();
        let mut habits: Vec<_> = (0..tasks).map(|_| habit(rng, receiver)).collect();
        for habit in &mut habits {
            habit.is_odd &= amp_limits;
            // So many are enough to do with little each.
            if is_crowded {
                (habit.gauges, habit.pause) = (habit.gauges.min(4), 5 * habit.pause);
            }
        }
        let steps = rng.usize(8..=16);
        Self {
            seed,
            agents: agents(rng),
            habits,
            broken_percent: [0, 10, 30][rng.usize(..3)],
            trouble_percent: [0, 10, 40][rng.usize(..3)],
            remote_write: ["1.0", "1.0", "1.0", "2.0"][rng.usize(..4)],
            amp_limits,
            page_bytes: [64 << 10, 1 << 20][rng.usize(..2)],
            shard_tasks: [1, 2, 25][rng.usize(..3)],
            concurrent_agents: [1, 3, 16][rng.usize(..3)],
            steps: (0..steps).map(|_| (step(rng, tasks), rng.u64(0..200))).collect(),
        }
    }
}

fn agents(rng: &mut Rng) -> Settings {
    // On disk there is room for all: what a killed agent has let go for want of room, nobody can tell.
    let (spool_bytes, is_on_disk) =
        [(64 << 10, false), (256 << 10, false), (8 << 20, false), (8 << 20, true)][rng.usize(..4)];
    Settings { spool_bytes, is_on_disk, grace: 2 * CALM }
}

fn habit(rng: &mut Rng, receiver: Receiver) -> Habit {
    let most_skew_ms = receiver.most_skew_ms();
    // A few fill pages and requests; most have little to say, often.
    let (gauges, pause_ms) = if rng.u32(..8) == 0 {
        (rng.u32(receiver.many_gauges()), rng.u64(15..40))
    } else {
        (rng.u32(1..=12), rng.u64(5..40))
    };
    Habit {
        pause: Duration::from_millis(pause_ms),
        gauges,
        spans: rng.u32(0..=4),
        skew_ms: if rng.u32(..4) == 0 { rng.i64(-most_skew_ms..=most_skew_ms / 6) } else { 0 },
        is_poisonous: rng.u32(..5) == 0,
        is_odd: rng.u32(..3) == 0,
        has_datagrams: rng.u32(..3) == 0,
        is_exposed: rng.u32(..3) == 0,
    }
}

fn step(rng: &mut Rng, tasks: usize) -> Step {
    let task = rng.usize(..tasks);
    match rng.u32(..20) {
        0..=10 => Step::Scrape(scrape(rng)),
        11 => Step::Restart(task),
        12 => Step::Reuse(task),
        13 => Step::Replace(task),
        14 => Step::Cut(task, rng.bool()),
        15 => Step::Skew(task, [-400_000, -20_000, 0, 20_000, 400_000][rng.usize(..5)]),
        16 | 17 => Step::End(task, (0..rng.usize(0..=2)).map(|_| event(rng)).collect()),
        18 => Step::Storm { metrics: Some(Trouble::draw(rng)), traces: None },
        _ => Step::Storm { metrics: None, traces: rng.bool().then(|| Trouble::draw(rng)) },
    }
}

fn scrape(rng: &mut Rng) -> Scrape {
    let death = death(rng);
    Scrape {
        copies: 1 + usize::from(rng.u32(..4) == 0),
        is_doubled: rng.u32(..5) == 0,
        late_listing: (rng.u32(..4) == 0).then(|| rng.usize(1..4)),
        left: Duration::from_millis(rng.u64(400..1200)),
        death,
        is_process: rng.u32(..6) == 0,
        goes_on: rng.u32(..3) == 0,
    }
}

fn event(rng: &mut Rng) -> Event {
    Event {
        delay: Duration::from_millis(rng.u64(0..1000)),
        left: Duration::from_millis(rng.u64(1500..4000)),
        death: death(rng),
        is_process: rng.u32(..6) == 0,
    }
}

fn death(rng: &mut Rng) -> Option<(Point, u32)> {
    (rng.u32(..3) > 0).then(|| match rng.usize(..9) {
        point @ 0..7 => (Point::OBSERVED[point], rng.u32(..3)),
        _ => (Point::Poll(rng.u32(1..60)), 0),
    })
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, agents, habits, broken_percent, trouble_percent, steps, .. } = self;
        let Self { remote_write, amp_limits, page_bytes, shard_tasks, concurrent_agents, .. } = self;
        writeln!(
            f,
            "seed {seed}: {broken_percent} % of exchanges broken, {trouble_percent} % of writes in trouble"
        )?;
        writeln!(f, "  {agents:?}, remote write {remote_write}, AMP's limits: {amp_limits}")?;
        writeln!(
            f,
            "  pages of {page_bytes} bytes, shards of {shard_tasks}, {concurrent_agents} agents at the same time"
        )?;
        habits.iter().enumerate().try_for_each(|(n, habit)| writeln!(f, "  task {n}: {habit:?}"))?;
        steps
            .iter()
            .enumerate()
            .try_for_each(|(n, (step, pause))| writeln!(f, "  {n}. {step:?}, then {pause} ms"))
    }
}
