//! The start: the AWS side, then the agents, then the functions, then the traffic.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use anyhow::Context as _;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::{
    World, foreign,
    life::{Container, Containers, Life},
    ready, report,
};
use crate::{
    agents::Agents,
    amp::Amp,
    aws::{
        self, REMOTE_WRITE_PATH, Services, ecs::Ecs, event_source::EventSource, events, lambda::Function,
        sqs::Sqs, task_events::TaskEvents, xray::XRay,
    },
    binaries::{self, Binaries},
    functions::Deployment,
    guard::Guard,
    metadata::Metadata,
    page,
    shop::Shop,
    tasks, tls,
};

/// Environments of `scrape`: as many shards at once.
pub(super) const SCRAPERS: usize = 2;
/// Environments that drain stopping tasks, at most. Lambda would start one for each.
const MAX_DRAINERS: usize = 32;
/// How long a short task lives.
const SHORT_LIFE: Duration = Duration::from_secs(5);
/// Agents in one shard at most, as deployed.
const MAX_SHARD_TASKS: usize = 25;
/// Short, so that the charts move.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// The handles by which a run is stopped.
pub(super) struct Running {
    pub(super) close_shop: watch::Sender<bool>,
    pub(super) stop_tasks: watch::Sender<bool>,
    pub(super) stop_functions: watch::Sender<bool>,
    pub(super) every: watch::Sender<Option<Duration>>,
    /// Its customers; none where there is no shop.
    pub(super) shop: Option<JoinHandle<()>>,
    pub(super) tasks: Vec<JoinHandle<()>>,
    pub(super) events: Arc<TaskEvents>,
    pub(super) functions: Vec<JoinHandle<()>>,
    pub(super) clock: JoinHandle<()>,
    pub(super) source: Arc<EventSource>,
    pub(super) guard: Arc<Guard>,
}

/// What all parts need to know.
pub(super) struct Site {
    /// Where the AWS side listens, such as `http://127.0.0.1:9000`.
    pub(super) endpoint: String,
    queue_url: String,
    pub(super) metadata: Arc<Metadata>,
    pub(super) logs: PathBuf,
    /// The agents' and the scraper's shared key, of this run alone.
    key: String,
    guard: Arc<Guard>,
}

/// Starts everything.
///
/// # Errors
/// A part can't be started, or does not work within seconds. The page alone may be missing.
pub(super) async fn start(world: &Arc<World>, binaries: &Binaries) -> anyhow::Result<Running> {
    let World { flags, tasks, terminal, .. } = &**world;
    let site = prepare(world).await?;
    let page = page::start(Arc::clone(world)).await;

    let agents = start_agents(world, &site, binaries)?;
    ready::agents_listen(tasks, &site.logs).await?;

    let enumerate = Function::new("enumerate", 256, Duration::from_secs(50));
    let scrape = Function::new("scrape", 512, Duration::from_secs(40));
    let drain = Function::new("drain", 256, Duration::from_secs(300));
    let (stop_functions, functions_stop) = watch::channel(false);
    let source = Arc::new(EventSource {
        queue: Arc::clone(&world.queue),
        function: Arc::clone(&scrape),
        terminal: Arc::clone(terminal),
        in_flight: AtomicUsize::new(0),
    });
    let deployments = [
        (enumerate_deployment(world, &site, binaries, &enumerate), 1),
        (scrape_deployment(world, &site, binaries, &scrape), SCRAPERS),
        (scrape_deployment(world, &site, binaries, &drain), tasks.len().min(MAX_DRAINERS)),
    ];
    let mut functions = start_functions(world, &site, &deployments, &functions_stop).await?;
    functions.extend((0..SCRAPERS).map(|_| tokio::spawn(Arc::clone(&source).poll(functions_stop.clone()))));

    let (every, period) = watch::channel(Some(flags.every));
    let clock = tokio::spawn(events::tick(enumerate, Arc::clone(terminal), period));
    let events = Arc::new(TaskEvents::new(drain, flags.task_event_delay, Arc::clone(terminal)));
    let shop = flags.workload.then(|| Shop::new(tasks, terminal));
    let (stop_tasks, tasks_stop) = watch::channel(false);
    let lives = start_lives(world, agents, shop.as_ref(), &events, &tasks_stop);
    let (close_shop, shop_close) = watch::channel(false);
    let shop = shop.map(|shop| shop.open(shop_close));
    report::announce(world, &site, page);
    let guard = Arc::clone(&site.guard);
    Ok(Running {
        close_shop,
        stop_tasks,
        stop_functions,
        every,
        shop,
        tasks: lives,
        events,
        functions,
        clock,
        source,
        guard,
    })
}

async fn prepare(world: &World) -> anyhow::Result<Site> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("the AWS side can't listen")?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let sqs = Sqs::new(Arc::clone(&world.queue), &endpoint);
    let queue_url = sqs.url().to_owned();
    let services = Services {
        ecs: Ecs::new(Arc::clone(&world.tasks)),
        sqs,
        xray: XRay::new(Arc::clone(&world.accounts), Arc::clone(&world.store)),
        amp: Amp::new(Arc::clone(&world.accounts), Arc::clone(&world.store)),
    };
    let router = aws::router(Arc::new(services));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let metadata = Metadata::start(Arc::clone(&world.tasks)).await?;
    Ok(Site {
        endpoint,
        queue_url,
        metadata,
        logs: logs_folder()?,
        key: key()?,
        guard: Arc::new(Guard::start()?),
    })
}

fn start_agents(world: &World, site: &Site, binaries: &Binaries) -> anyhow::Result<Vec<Container>> {
    let World { flags, tasks, accounts, terminal, rss, .. } = world;
    let agents = Arc::new(Agents {
        binary: binaries.agent.clone(),
        key: site.key.clone(),
        tls: flags.tls,
        sample_interval: SAMPLE_INTERVAL,
        logs: site.logs.clone(),
        accounts: Arc::clone(accounts),
        terminal: Arc::clone(terminal),
        rss: Arc::clone(rss),
        guard: Arc::clone(&site.guard),
    });
    if let Some(url) = &flags.metadata_url {
        tokio::spawn(foreign::identify(Arc::clone(tasks), url.clone(), Arc::clone(terminal)));
    }
    let start = |task: &tasks::Task| {
        let foreign = flags.metadata_url.clone().filter(|_| task.index == 0);
        let uri = foreign.unwrap_or_else(|| site.metadata.agent_uri(task));
        let (stop, stopped) = watch::channel(false);
        Ok(Container { stop, ended: agents.start(tasks, task.index, &uri, stopped)? })
    };
    tasks.iter().map(start).collect()
}

/// Starts the applications beside the `agents`. From now on each task lives until its time is over or `stop` says so.
fn start_lives(
    world: &World,
    agents: Vec<Container>,
    shop: Option<&Shop>,
    events: &Arc<TaskEvents>,
    stop: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let World { flags, tasks, terminal, .. } = world;
    let application = |shop: &Shop, task: &tasks::Task| {
        let (stop, stopped) = watch::channel(false);
        Container { stop, ended: shop.start(task, stopped) }
    };
    let live = |(task, agent): (&tasks::Task, Container)| {
        let life = Life {
            tasks: Arc::clone(tasks),
            index: task.index,
            containers: Containers { application: shop.map(|shop| application(shop, task)), agent },
            lasts: (task.index + flags.short_tasks >= flags.tasks).then_some(SHORT_LIFE),
            events: Arc::clone(events),
            terminal: Arc::clone(terminal),
        };
        tokio::spawn(life.live(stop.clone()))
    };
    tasks.iter().zip(agents).map(live).collect()
}

async fn start_functions(
    world: &World,
    site: &Site,
    deployments: &[(Deployment, usize)],
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let (mut environments, mut handles) = (Vec::new(), Vec::new());
    for (deployment, count) in deployments {
        for number in 1..=*count {
            let (environment, handle) = deployment.start(number, &world.terminal, stop.clone()).await?;
            environments.push(environment);
            handles.push(handle);
        }
    }
    ready::functions_poll(&environments, &site.logs).await?;
    Ok(handles)
}

fn enumerate_deployment(
    world: &World,
    site: &Site,
    binaries: &Binaries,
    function: &Arc<Function>,
) -> Deployment {
    // Small shards where there are few tasks, so that scrapes run beside one another.
    let shard_tasks = world.tasks.len().div_ceil(SCRAPERS).min(MAX_SHARD_TASKS);
    let settings = vec![
        ("SIPHON_QUEUE_URL", site.queue_url.clone()),
        ("SIPHON_AGENT_CONTAINER", tasks::AGENT_CONTAINER.to_owned()),
        ("SIPHON_SHARD_TASKS", shard_tasks.to_string()),
    ];
    deployment(site, &binaries.enumerate, function, settings)
}

fn scrape_deployment(
    world: &World,
    site: &Site,
    binaries: &Binaries,
    function: &Arc<Function>,
) -> Deployment {
    let flags = &world.flags;
    let built_in = || format!("{}{REMOTE_WRITE_PATH}", site.endpoint);
    let mut settings = vec![
        ("SIPHON_KEY", site.key.clone()),
        ("AWS_PROMETHEUS_ENDPOINT", flags.remote_write_url.clone().unwrap_or_else(built_in)),
    ];
    if flags.remote_write_url.is_none() {
        settings.push(("SIPHON_AMP_LIMITS", "true".to_owned())); // the built-in receiver is as strict as AMP
    }
    if flags.all_ecs_metrics {
        settings.push(("SIPHON_ECS_METRICS", "all".to_owned()));
    }
    if !flags.metric_suffixes {
        settings.push(("SIPHON_METRIC_SUFFIXES", "false".to_owned()));
    }
    if flags.tls {
        settings.push(tls::of_functions());
    }
    if let Some(url) = &flags.xray_endpoint {
        settings.push(("AWS_ENDPOINT_URL_XRAY", url.clone()));
    }
    deployment(site, &binaries.scrape, function, settings)
}

fn deployment(
    site: &Site,
    binary: &Path,
    function: &Arc<Function>,
    settings: Vec<(&'static str, String)>,
) -> Deployment {
    Deployment {
        function: Arc::clone(function),
        binary: binary.to_owned(),
        settings,
        endpoint: site.endpoint.clone(),
        logs: site.logs.clone(),
        guard: Arc::clone(&site.guard),
    }
}

fn key() -> anyhow::Result<String> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| anyhow::anyhow!("no random bytes for the key: {error}"))?;
    Ok(hex::encode(key))
}

/// A folder of this process alone: below cargo's target folder if we lie in one.
fn logs_folder() -> anyhow::Result<PathBuf> {
    let base = binaries::target_folder()
        .map_or_else(|| std::env::temp_dir().join("siphon-local"), |target| target.join("local"));
    let folder = base.join(std::process::id().to_string());
    std::fs::create_dir_all(&folder).with_context(|| format!("can't make {} for logs", folder.display()))?;
    Ok(folder)
}
