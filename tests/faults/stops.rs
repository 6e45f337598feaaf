//! A thousand task stops in a tenth of the time: the event that a task is stopping comes late, and a drain of that task
//! races its grace.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use fastrand::Rng;
use futures_util::{StreamExt as _, stream};
use siphon_core::{
    shard::{Shard, Target},
    units::UnixMillis,
};
use siphon_tests::scratch::Scratch;
use tokio::time::{sleep, timeout_at};

use crate::{
    agent::{Agent, Inputs, Settings},
    backend::Backend,
    dice::Dice,
    function::{Function, shards},
    lambda::{Death, Lambda},
    ledger::{imbalance, total},
    metadata::{Metadata, arn},
    sender::{Answer, Habit, Sender, now},
    stored::Stored,
    trap::Trap,
    world::number,
};

/// So much faster than on ECS.
const SCALE: u64 = 10;

/// Stops that have their receivers in common, and how many of them go on at once.
const BATCH: usize = 50;
const AT_ONCE: usize = 3;

/// A drain that begins so long before the end of the grace, by the clock of the test, overlaps with it for certain: time
/// enough on any machine. The application ends so long before it, too.
const MARGIN: Duration = Duration::from_secs(1);

/// For one invocation.
const LEFT: Duration = Duration::from_secs(1);

/// One task's end, in the time of the test.
#[derive(Clone, Copy, Debug)]
struct Stop {
    /// What the application does, and for how long.
    habit: Habit,
    life: Duration,
    /// From SIGTERM until the function is told; `None`: it never is.
    delay: Option<Duration>,
    /// From SIGTERM until SIGKILL.
    timeout: Duration,
}

impl Stop {
    fn draw(rng: &mut Rng) -> Self {
        let is_told = rng.u32(..50) > 0;
        let mut scaled = |range| Duration::from_millis(rng.u64(range) / SCALE);
        let delay = is_told.then(|| scaled(0..10_000));
        // Nobody waits for long where nothing comes.
        let timeout = scaled(10_000..if is_told { 120_000 } else { 20_000 });
        let habit = Habit {
            pause: Duration::from_millis(rng.u64(5..20)),
            gauges: rng.u32(1..=2),
            spans: rng.u32(0..=2),
            skew_ms: 0,
            is_poisonous: false,
            is_odd: false,
            has_datagrams: rng.u32(..3) == 0,
            is_exposed: rng.u32(..3) == 0,
        };
        Self { habit, life: Duration::from_millis(rng.u64(20..100)), delay, timeout }
    }

    /// What the agent is told: as with ECS' 30 s and the agent's 25 s.
    fn grace(self) -> Duration {
        self.timeout * 5 / 6
    }
}

/// How stops went.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    stops: u64,
    /// Those whose drain and grace overlap.
    overlaps: u64,
    /// Records that these lost.
    overlaps_lost: u64,
    /// Records that the others lost, by their agents' last words.
    others_lost: u64,
}

/// What the stops of a batch share.
struct Ground {
    metadata: Metadata,
    function: Function,
    logs: Scratch,
}

/// A task that has ended.
struct Ended {
    task: u32,
    stop: Stop,
    overlaps: bool,
    agent: Agent,
    sender: Sender,
}

#[test]
fn a_thousand_stops_lose_nothing_where_drain_and_grace_overlap() {
    let sum = Arc::new(Mutex::new(Account::default()));
    crate::seeds::run("a_thousand_stops_lose_nothing_where_drain_and_grace_overlap", 20, |seed| {
        let sum = Arc::clone(&sum);
        async move {
            let (account, problems) = batch(seed).await;
            let mut sum = sum.lock().unwrap();
            sum.stops += account.stops;
            sum.overlaps += account.overlaps;
            sum.overlaps_lost += account.overlaps_lost;
            sum.others_lost += account.others_lost;
            if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
        }
    });
    let Account { stops, overlaps, overlaps_lost, others_lost } = *sum.lock().unwrap();
    println!(
        "{stops} task stops: {overlaps} whose drain and grace overlap lost {overlaps_lost} records; the other {} lost \
         {others_lost}, all counted",
        stops - overlaps
    );
    assert!(overlaps > stops / 2, "the drains of most stops are to overlap with their grace");
}

async fn batch(seed: u64) -> (Account, Vec<String>) {
    let mut rng = Rng::with_seed(seed);
    let calm = || Dice::new(0, 0, crate::backend::Trouble::draw);
    let backend = Backend::start(None, calm(), calm(), Arc::new(Trap::default())).await;
    let ground = Ground {
        metadata: Metadata::start().await,
        function: Function::new(backend.settings()),
        logs: Scratch::new(),
    };
    let stops: Vec<_> = (0..BATCH).map(|_| Stop::draw(&mut rng)).collect();
    let ended: Vec<_> =
        stream::iter(stops).map(|stop| ground.stop(stop)).buffer_unordered(AT_ONCE).collect().await;
    let stored = Stored::strict(backend.receivers());
    let (mut account, mut problems) = (Account::default(), stored.refused.clone());
    problems.extend(ground.function.faults());
    for one in ended {
        one.judge(&stored, &mut account).into_iter().for_each(|problem| {
            problems.push(format!("seed {seed}, {:?}: {problem}", one.stop));
        });
    }
    (account, problems)
}

impl Ground {
    async fn stop(&self, stop: Stop) -> Ended {
        let settings = Settings { spool_bytes: 1 << 20, grace: stop.grace(), is_on_disk: false };
        let task = number();
        let name = format!("agent-of-task-{task}");
        let id = format!("task-{task}");
        let inputs = Inputs::of(stop.habit, &id).await;
        let mut agent = Agent::start(&name, task, self.metadata, settings, inputs, self.logs.path()).await;
        let mut sender = Sender::start(&agent, id, task, stop.habit);
        sleep(stop.life).await;
        agent.stop();
        let told = Instant::now();
        let ends = told + stop.grace().saturating_sub(MARGIN);
        let overlaps = {
            let mut drain = pin!(self.drain(stop, task, &mut agent, told));
            // The application goes on while it is drained: what is taken in the last moment counts too.
            let early = timeout_at(ends.into(), &mut drain).await;
            sender.stop().await;
            match early {
                Ok(overlaps) => overlaps,
                Err(_) => drain.await,
            }
        };
        Ended { task, stop, overlaps, agent, sender }
    }

    /// Waits for the event, then drains the task until its agent has ended. Whether that began early enough.
    async fn drain(&self, stop: Stop, task: u32, agent: &mut Agent, told: Instant) -> bool {
        while stop.delay.is_none_or(|delay| told.elapsed() < delay) {
            if agent.has_ended() {
                return false;
            }
            sleep(Duration::from_millis(2)).await;
        }
        let overlaps = told.elapsed() + MARGIN < stop.grace();
        let mut lambda = Lambda::default();
        while !agent.has_ended() {
            if told.elapsed() > stop.timeout {
                agent.kill();
                break;
            }
            let address = agent.upstream.address;
            let target = Target { task_arn: arn(task), address: address.ip(), port: address.port() };
            let shard = Shard { listed_at: UnixMillis(now()), targets: vec![target] };
            lambda.invoke(&self.function, shards(&[shard]), LEFT, Death::Never).await;
            sleep(Duration::from_millis(10)).await;
        }
        overlaps
    }
}

impl Ended {
    fn judge(&self, stored: &Stored, account: &mut Account) -> Vec<String> {
        let sent = self.sender.sent();
        let task = arn(self.task);
        let taken = sent.iter().filter(|one| one.answer == Answer::Taken);
        let lost = taken.filter(|one| !stored.has(&task, one)).count() as u64;
        account.stops += 1;
        account.overlaps += u64::from(self.overlaps);
        let Some(ledger) = self.agent.last_ledger() else { return vec!["no ledger".to_owned()] };
        let mut problems = imbalance(&ledger);
        let left = |kind| total(&ledger, "buffered_records", kind);
        let (left, readings) = (left("otlp_metrics") + left("otlp_traces"), left("ecs"));
        if self.overlaps {
            account.overlaps_lost += lost.max(left) + readings;
            if lost.max(left) + readings > 0 {
                problems
                    .push(format!("{lost} records lost, {left} and {readings} readings left: {ledger:?}"));
            }
        } else {
            account.others_lost += left + readings;
            if lost > left {
                problems.push(format!("{lost} records lost, but {left} counted: {ledger:?}"));
            }
        }
        problems
    }
}
