//! A run from start to summary.

mod drain;
mod foreign;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use anyhow::Context as _;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    accounts::Accounts,
    agents::{Agents, Rss},
    amp::Amp,
    aws::{
        self, REMOTE_WRITE_PATH, Services,
        ecs::Ecs,
        event_source::EventSource,
        events,
        lambda::Function,
        queue::{Policy, Queue},
        sqs::Sqs,
        xray::XRay,
    },
    binaries::{self, Binaries},
    clock,
    flags::Flags,
    functions::Deployment,
    metadata::Metadata,
    page, shop,
    store::Store,
    summary::{Circumstances, Summary, bytes, thousands},
    tasks::{self, Task},
    terminal::Terminal,
};

/// Environments of `scrape`: as many shards at once.
const SCRAPERS: usize = 2;
/// Agents in one shard at most, as deployed.
const MAX_SHARD_TASKS: usize = 25;
/// Short, so that the charts move.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

// As the template deploys them.
const ENUMERATE: (&str, u32, Duration) = ("enumerate", 256, Duration::from_secs(50));
const SCRAPE: (&str, u32, Duration) = ("scrape", 512, Duration::from_secs(40));
const QUEUE: Policy =
    Policy { visibility: Duration::from_secs(240), retention: Duration::from_secs(300), max_receives: 1 };

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Complete,
    /// Cut short by a second Ctrl-C.
    Incomplete,
}

/// What runs, and what can be seen of it.
pub(crate) struct World {
    pub(crate) flags: Flags,
    pub(crate) tasks: Arc<Vec<Task>>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) store: Arc<Store>,
    pub(crate) rss: Arc<Rss>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) terminal: Arc<Terminal>,
    pub(crate) started: std::time::Instant,
}

/// The handles by which a run is stopped.
struct Running {
    stop_shop: watch::Sender<bool>,
    stop_agents: watch::Sender<bool>,
    stop_functions: watch::Sender<bool>,
    every: watch::Sender<Option<Duration>>,
    shop: Vec<JoinHandle<()>>,
    agents: Vec<JoinHandle<()>>,
    functions: Vec<JoinHandle<()>>,
    clock: JoinHandle<()>,
    source: Arc<EventSource>,
}

/// Runs until told to stop, and prints the summary.
///
/// # Errors
/// Something that should run could not be started.
pub(crate) async fn run(flags: Flags) -> anyhow::Result<Outcome> {
    let terminal = Terminal::new(flags.json, flags.verbose);
    let binaries = binaries::find(flags.bin_dir.as_deref())?;
    let mut signals = drain::Signals::new()?;
    let tasks = tasks::lay_out(flags.tasks, flags.metadata_url.is_some(), flags.otlp_http, clock::now())?;
    let world = Arc::new(World {
        flags,
        tasks: Arc::new(tasks),
        accounts: Arc::default(),
        store: Arc::default(),
        rss: Arc::default(),
        queue: Arc::new(Queue::new(QUEUE)),
        terminal,
        started: std::time::Instant::now(),
    });
    let running = start(&world, &binaries).await?;
    let status = tokio::spawn(show_status(Arc::clone(&world)));
    signals.wait(world.flags.seconds).await;
    let outcome = drain::drain(running, &world.terminal, &mut signals).await;
    status.abort();
    world.terminal.settle();
    print_summary(&world);
    Ok(outcome)
}

async fn start(world: &Arc<World>, binaries: &Binaries) -> anyhow::Result<Running> {
    let World { flags, tasks, accounts, terminal, .. } = &**world;
    let logs = logs_folder()?;
    let key = key()?;
    let endpoint = serve_aws(world).await?;
    let metadata = Metadata::start(Arc::clone(tasks)).await?;
    let page = page::start(Arc::clone(world)).await;

    let (stop_agents, agents_stop) = watch::channel(false);
    let agents = Arc::new(Agents {
        binary: binaries.agent.clone(),
        key: key.clone(),
        sample_interval: SAMPLE_INTERVAL,
        logs: logs.clone(),
        accounts: Arc::clone(accounts),
        terminal: Arc::clone(terminal),
        rss: Arc::clone(&world.rss),
    });
    let mut agent_handles = Vec::new();
    for task in tasks.iter() {
        let foreign = flags.metadata_url.as_ref().filter(|_| task.index == 0);
        let uri = foreign.cloned().unwrap_or_else(|| metadata.agent_uri(task));
        agent_handles.push(agents.start(tasks, task.index, &uri, agents_stop.clone())?);
    }
    if let Some(url) = &flags.metadata_url {
        tokio::spawn(foreign::identify(Arc::clone(tasks), url.clone(), Arc::clone(terminal)));
    }
    foreign::wait_for_agents(tasks).await;

    let enumerate = Function::new(ENUMERATE.0, ENUMERATE.1, ENUMERATE.2);
    let scrape = Function::new(SCRAPE.0, SCRAPE.1, SCRAPE.2);
    let (stop_functions, functions_stop) = watch::channel(false);
    let functions = [
        (
            Deployment {
                function: Arc::clone(&enumerate),
                binary: binaries.enumerate.clone(),
                settings: enumerate_settings(flags, &endpoint),
                endpoint: endpoint.url.clone(),
                logs: logs.clone(),
            },
            1,
        ),
        (
            Deployment {
                function: Arc::clone(&scrape),
                binary: binaries.scrape.clone(),
                settings: scrape_settings(flags, &endpoint, &key),
                endpoint: endpoint.url.clone(),
                logs: logs.clone(),
            },
            SCRAPERS,
        ),
    ];
    let mut function_handles = Vec::new();
    for (deployment, environments) in &functions {
        for number in 1..=*environments {
            function_handles.push(deployment.start(number, terminal, functions_stop.clone()).await?);
        }
    }

    let source = Arc::new(EventSource {
        queue: Arc::clone(&world.queue),
        function: scrape,
        terminal: Arc::clone(terminal),
        in_flight: AtomicUsize::new(0),
    });
    for _ in 0..SCRAPERS {
        function_handles.push(tokio::spawn(Arc::clone(&source).poll(functions_stop.clone())));
    }
    let (every, period) = watch::channel(Some(flags.every));
    let clock = tokio::spawn(events::tick(enumerate, Arc::clone(terminal), period));
    let (stop_shop, shop_stop) = watch::channel(false);
    let shop = if flags.workload { shop::open(tasks, terminal, &shop_stop) } else { Vec::new() };

    announce(world, &endpoint, &metadata, page, &logs);
    Ok(Running {
        stop_shop,
        stop_agents,
        stop_functions,
        every,
        shop,
        agents: agent_handles,
        functions: function_handles,
        clock,
        source,
    })
}

/// Where the AWS side listens.
struct Endpoint {
    url: String,
    queue_url: String,
}

async fn serve_aws(world: &World) -> anyhow::Result<Endpoint> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("the AWS side can't listen")?;
    let url = format!("http://{}", listener.local_addr()?);
    let sqs = Sqs::new(Arc::clone(&world.queue), &url);
    let queue_url = sqs.url().to_owned();
    let services = Services {
        ecs: Ecs::new(Arc::clone(&world.tasks)),
        sqs,
        xray: XRay::new(Arc::clone(&world.accounts), Arc::clone(&world.store)),
        amp: Amp::new(Arc::clone(&world.accounts), Arc::clone(&world.store)),
    };
    let router = aws::router(Arc::new(services));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(Endpoint { url, queue_url })
}

fn enumerate_settings(flags: &Flags, endpoint: &Endpoint) -> Vec<(&'static str, String)> {
    // Small shards where there are few tasks, so that scrapes run beside one another.
    let shard_tasks = flags.tasks.div_ceil(SCRAPERS).min(MAX_SHARD_TASKS);
    vec![
        ("SIPHON_QUEUE_URL", endpoint.queue_url.clone()),
        ("SIPHON_AGENT_CONTAINER", tasks::AGENT_CONTAINER.to_owned()),
        ("SIPHON_SHARD_TASKS", shard_tasks.to_string()),
    ]
}

fn scrape_settings(flags: &Flags, endpoint: &Endpoint, key: &str) -> Vec<(&'static str, String)> {
    let remote_write = flags.remote_write_url.clone();
    let remote_write = remote_write.unwrap_or_else(|| format!("{}{REMOTE_WRITE_PATH}", endpoint.url));
    let mut settings = vec![("SIPHON_KEY", key.to_owned()), ("AWS_PROMETHEUS_ENDPOINT", remote_write)];
    if flags.all_ecs_metrics {
        settings.push(("SIPHON_ECS_METRICS", "all".to_owned()));
    }
    if let Some(url) = &flags.xray_endpoint {
        settings.push(("AWS_ENDPOINT_URL_XRAY", url.clone()));
    }
    settings
}

/// Of this run alone.
fn key() -> anyhow::Result<String> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| anyhow::anyhow!("no random bytes for the key: {error}"))?;
    Ok(hex::encode(key))
}

fn logs_folder() -> anyhow::Result<PathBuf> {
    let base = binaries::target_folder()
        .map_or_else(|| std::env::temp_dir().join("siphon-local"), |target| target.join("local"));
    let folder = base.join(std::process::id().to_string());
    std::fs::create_dir_all(&folder).with_context(|| format!("can't make {} for logs", folder.display()))?;
    Ok(folder)
}

fn announce(
    world: &World,
    endpoint: &Endpoint,
    metadata: &Metadata,
    page: anyhow::Result<SocketAddr>,
    logs: &std::path::Path,
) {
    let World { flags, tasks, terminal, .. } = world;
    let page = match page {
        Ok(address) => format!("http://{address}"),
        Err(error) => format!("none: {error:#}; choose another address with --page"),
    };
    let remote = flags.remote_write_url.as_deref().unwrap_or("built in, strict");
    let xray = flags.xray_endpoint.as_deref().unwrap_or("built in");
    terminal.say(&format!(
        "Siphon on one machine: {} tasks, {SCRAPERS} scrapers, every {:?}.\n\n  \
         page          {page}\n  \
         AWS side      {}  (ECS, SQS, X-Ray, AMP)\n  \
         metadata      http://{}\n  \
         Prometheus    {remote}\n  \
         X-Ray         {xray}\n  \
         logs          {}\n",
        tasks.len(),
        flags.every,
        endpoint.url,
        metadata.address(),
        logs.display(),
    ));
    for task in tasks.iter().take(12) {
        terminal.say(&format!(
            "  {:<14}OTLP/HTTP http://{:<20} pulled at {}",
            task.name(),
            task.otlp.to_string(),
            task.pull()
        ));
    }
    if tasks.len() > 12 {
        terminal.say(&format!("  … and {} more", tasks.len() - 12));
    }
    let end = flags.seconds.map_or_else(|| "Ctrl-C".to_owned(), |s| format!("{s:?} or Ctrl-C"));
    terminal.say(&format!("\nEnds after {end}, with a summary.\n"));
}

async fn show_status(world: Arc<World>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        let (block, plain) = status(&world);
        world.terminal.status(block, &plain);
    }
}

/// The live block and the plain line.
fn status(world: &World) -> (Vec<String>, String) {
    let counts = world.accounts.counts();
    let seconds = world.started.elapsed().as_secs();
    let clock = format!("{:02}:{:02}", seconds / 60, seconds % 60);
    let millis =
        |q| world.accounts.freshness(q).map_or_else(|| "–".to_owned(), |ms| format!("{} ms", thousands(ms)));
    let tasks = world.accounts.tasks();
    let (samples, segments) = (thousands(counts.samples_stored), thousands(counts.segments_stored));
    let refused = counts.samples_rejected + counts.segments_unprocessed + world.accounts.dropped();
    let repeated = counts.samples_repeated + counts.segments_repeated;
    let memory = world.rss.peak().map_or_else(|| "–".to_owned(), bytes);
    let (p50, p99) = (millis(0.5), millis(0.99));
    let block = vec![
        format!("  {clock}   tasks {tasks}   samples {samples}   segments {segments}"),
        format!("          freshness {p50} median, {p99} at 99 %   agents at most {memory}"),
        format!("          lost {refused}   repeated {repeated}"),
    ];
    let plain = format!(
        "{clock}  tasks {tasks}  samples {samples}  segments {segments}  freshness {p50} / {p99}  \
         lost {refused}  repeated {repeated}  agents {memory}"
    );
    (block, plain)
}

fn print_summary(world: &World) {
    let World { flags, accounts, rss, terminal, .. } = world;
    let circumstances = Circumstances {
        amp: flags.remote_write_url.is_none(),
        xray: flags.xray_endpoint.is_none(),
        agents: rss.agents(),
        agent_rss_max_bytes: rss.peak(),
    };
    let summary = Summary::new(accounts, circumstances);
    terminal.say(&format!("\nSummary\n{summary}"));
    for (what, count) in accounts.refusals() {
        terminal.say(&format!("  refused: {what} {count}"));
    }
    if accounts.unaccounted() > 0 {
        terminal.say(&format!(
            "  {} agent(s) ended without telling what they had taken: see their logs",
            accounts.unaccounted()
        ));
    }
    let missing = accounts.missing();
    if missing != crate::accounts::Missing::default() && circumstances.amp && circumstances.xray {
        terminal.say(&format!(
            "  taken by agents and not stored: {} readings, {} metric exports, {} spans",
            missing.readings, missing.exports, missing.spans
        ));
    }
    if flags.json
        && let Ok(json) = serde_json::to_string(&summary)
    {
        println!("{json}");
    }
}
