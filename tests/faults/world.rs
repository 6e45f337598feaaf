//! What a schedule acts on: tasks with an agent and an application each, the network, the function, the receivers.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use siphon_core::{
    shard::{Shard, Target},
    units::UnixMillis,
};
use siphon_tests::scratch::Scratch;

use crate::{
    agent::{Agent, Inputs},
    backend::{Backend, Trouble},
    dice::Dice,
    function::{Function, FunctionSettings},
    metadata::{Metadata, arn},
    proxy::{Break, Proxy},
    schedule::Schedule,
    sender::{Habit, Sender, now},
    trap::Trap,
};

/// Numbers for tasks and processes, so that no two of this test's have the same.
static NUMBERS: AtomicU32 = AtomicU32::new(1);

pub(crate) fn number() -> u32 {
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

/// A loopback address that nobody else is likely to have, neither in this test nor in another that runs.
pub(crate) fn address() -> IpAddr {
    let [_, _, high, low] = number().to_be_bytes();
    let [.., process] = std::process::id().to_be_bytes();
    IpAddr::from([127, 64 + process % 128, high, low])
}

/// A port that is free at an address, and so at all others that nobody has yet.
fn free_port() -> u16 {
    TcpListener::bind((address(), 0)).and_then(|listener| listener.local_addr()).unwrap().port()
}

/// One start of an agent, with the application beside it.
pub(crate) struct Life {
    /// Of the task.
    pub(crate) task: u32,
    /// Of the application.
    pub(crate) id: String,
    pub(crate) agent: Agent,
    pub(crate) sender: Sender,
    pub(crate) is_killed: bool,
    /// Nobody comes after it who has its spool.
    pub(crate) may_lose: bool,
    /// It began with the spool of the one before.
    pub(crate) is_heir: bool,
    /// Its application sends what receivers refuse.
    pub(crate) is_poisonous: bool,
    /// What is wrong with it already.
    pub(crate) problems: Vec<String>,
}

/// An address, and who has it.
pub(crate) struct Place {
    pub(crate) proxy: Proxy,
    pub(crate) habit: Habit,
    /// Its task is told to stop by ECS, which lists it no more.
    pub(crate) is_stopping: bool,
    /// The latest is there now.
    pub(crate) lives: Vec<Life>,
}

impl Place {
    /// The task that is there now.
    pub(crate) fn target(&self) -> Target {
        let task_arn = arn(self.lives.last().unwrap().task);
        Target { task_arn, address: self.proxy.address.ip(), port: self.proxy.address.port() }
    }
}

/// All parts of one schedule.
pub(crate) struct World {
    pub(crate) schedule: Schedule,
    pub(crate) places: Vec<Place>,
    pub(crate) backend: Backend,
    pub(crate) function: Function,
    pub(crate) trap: Arc<Trap>,
    pub(crate) listings: Vec<Vec<Target>>,
    metadata: Metadata,
    /// Of all agents, each of which has an address of its own.
    port: u16,
    logs: Scratch,
}

impl World {
    /// With the tasks that are there from the start.
    pub(crate) async fn new(schedule: &Schedule, prometheus: Option<SocketAddr>) -> Self {
        let trap = Arc::new(Trap::default());
        let dice = |n| Dice::new(schedule.seed ^ n, schedule.trouble_percent, Trouble::draw);
        let backend = Backend::start(prometheus, dice(0x100), dice(0x200), Arc::clone(&trap)).await;
        let port = free_port();
        let function = Function::new(FunctionSettings {
            agent_port: port,
            remote_write: schedule.remote_write.to_owned(),
            amp_limits: schedule.amp_limits,
            page_bytes: schedule.page_bytes,
            concurrent_agents: schedule.concurrent_agents,
            ..backend.settings()
        });
        let mut world = Self {
            schedule: schedule.clone(),
            places: Vec::new(),
            backend,
            function,
            trap,
            listings: Vec::new(),
            metadata: Metadata::start().await,
            port,
            logs: Scratch::new(),
        };
        for habit in &schedule.habits {
            world.add(*habit).await;
        }
        world
    }

    /// A new task at a new address.
    pub(crate) async fn add(&mut self, habit: Habit) {
        let seed = self.schedule.seed ^ (self.places.len() as u64 + 1);
        let dice = Dice::new(seed, self.schedule.broken_percent, Break::draw);
        let proxy = Proxy::new(SocketAddr::new(address(), self.port), dice, Arc::clone(&self.trap));
        self.places.push(Place { proxy, habit, is_stopping: false, lives: Vec::new() });
        self.begin(self.places.len() - 1, number()).await;
    }

    /// An agent of `task` starts at a place.
    pub(crate) async fn begin(&mut self, place: usize, task: u32) {
        let (metadata, settings) = (self.metadata, self.schedule.agents);
        let is_heir =
            settings.is_on_disk && self.places[place].lives.last().is_some_and(|before| before.task == task);
        let life = number();
        let name = format!("agent-{life}-of-task-{task}");
        let id = format!("life-{life}");
        let inputs = Inputs::of(self.places[place].habit, &id).await;
        let agent = Agent::start(&name, task, metadata, settings, inputs, self.logs.path()).await;
        let place = &mut self.places[place];
        place.proxy.lead_to(Some(Arc::clone(&agent.upstream))).await;
        place.is_stopping = false;
        let sender = Sender::start(&agent, id.clone(), life, place.habit);
        place.lives.push(Life {
            task,
            id,
            agent,
            sender,
            is_killed: false,
            may_lose: true,
            is_heir,
            is_poisonous: place.habit.is_poisonous,
            problems: Vec::new(),
        });
    }

    /// The agent that is at a place ends at once, and with it all that it holds in memory.
    pub(crate) async fn kill(&mut self, place: usize) {
        let place = &mut self.places[place];
        place.proxy.lead_to(None).await;
        let life = place.lives.last_mut().unwrap();
        life.problems.extend(life.agent.excess());
        life.is_killed = !life.agent.has_ended();
        life.agent.kill();
        life.sender.stop().await;
    }

    /// The tasks that are there now, by number, and their addresses.
    pub(crate) fn tasks(&self) -> Vec<(u32, IpAddr)> {
        let task = |place: &Place| (place.lives.last().unwrap().task, place.proxy.address.ip());
        self.places.iter().map(task).collect()
    }

    /// Lists the tasks that are there now.
    pub(crate) fn list(&mut self) {
        let listed = self.places.iter().filter(|place| !place.is_stopping);
        self.listings.push(listed.map(Place::target).collect());
    }

    /// The messages of the listing so many before the latest, each a shard.
    pub(crate) fn messages(&self, before: usize) -> Vec<Shard> {
        let listing = &self.listings[(self.listings.len() - 1).saturating_sub(before)];
        let shard = |targets: &[Target]| Shard { listed_at: UnixMillis(now()), targets: targets.to_vec() };
        listing.chunks(self.schedule.shard_tasks).map(shard).collect()
    }

    pub(crate) fn lives(&mut self) -> impl Iterator<Item = &mut Life> {
        self.places.iter_mut().flat_map(|place| &mut place.lives)
    }
}
