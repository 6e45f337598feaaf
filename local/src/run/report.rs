//! What a run says of itself: what runs and where to look, how it goes, what came of it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::{
    World,
    start::{SCRAPERS, Site},
};
use crate::{
    accounts::Missing,
    summary::{Circumstances, Summary, bytes, thousands},
};

/// Tasks that are listed one by one.
const LISTED_TASKS: usize = 12;

/// What runs, and where to look.
pub(super) fn announce(world: &World, site: &Site, page: anyhow::Result<SocketAddr>) {
    let World { flags, tasks, terminal, .. } = world;
    let page = match page {
        Ok(address) => format!("http://{address}"),
        Err(error) => format!("none: {error:#}; choose another address with --page"),
    };
    let rows = [
        ("page", page),
        ("AWS side", format!("{}  (ECS, SQS, X-Ray, AMP)", site.endpoint)),
        ("metadata", format!("http://{}", site.metadata.address())),
        ("Prometheus", flags.remote_write_url.clone().unwrap_or_else(|| "built in, strict".to_owned())),
        ("X-Ray", flags.xray_endpoint.clone().unwrap_or_else(|| "built in".to_owned())),
        ("logs", site.logs.display().to_string()),
    ];
    terminal.say(&format!(
        "Siphon on one machine: {} tasks, {SCRAPERS} scrapers, every {:?}.\n",
        tasks.len(),
        flags.every
    ));
    for (name, value) in rows {
        terminal.say(&format!("  {name:<14}{value}"));
    }
    terminal.say("");
    for task in tasks.iter().take(LISTED_TASKS) {
        let (name, otlp, pull) = (task.name(), task.otlp.to_string(), task.pull());
        terminal.say(&format!("  {name:<14}OTLP/HTTP http://{otlp:<20} pulled at {pull}"));
    }
    if tasks.len() > LISTED_TASKS {
        terminal.say(&format!("  … and {} more", tasks.len() - LISTED_TASKS));
    }
    let end =
        flags.seconds.map_or_else(|| "with Ctrl-C".to_owned(), |s| format!("after {s:?} or with Ctrl-C"));
    terminal.say(&format!("\nEnds {end}, then says what was stored and what was lost.\n"));
}

/// How it goes, once a second.
pub(super) async fn show_status(world: Arc<World>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        let (block, plain) = status(&world);
        world.terminal.status(block, &plain);
    }
}

/// The live block and the plain line.
fn status(world: &World) -> (Vec<String>, String) {
    let World { accounts, rss, .. } = world;
    let counts = accounts.counts();
    let seconds = world.started.elapsed().as_secs();
    let clock = format!("{:02}:{:02}", seconds / 60, seconds % 60);
    let millis =
        |q| accounts.freshness(q).map_or_else(|| "–".to_owned(), |ms| format!("{} ms", thousands(ms)));
    let tasks = accounts.tasks();
    let (samples, segments) = (thousands(counts.samples_stored), thousands(counts.segments_stored));
    // What is merely on its way is not lost: only what someone has refused or dropped.
    let lost = thousands(counts.samples_rejected + counts.segments_unprocessed + accounts.dropped());
    let repeated = thousands(counts.samples_repeated + counts.segments_repeated);
    let memory = rss.peak().map_or_else(|| "–".to_owned(), bytes);
    let (p50, p99) = (millis(0.5), millis(0.99));
    let block = vec![
        format!("  {clock}   tasks {tasks}   samples {samples}   segments {segments}"),
        format!("          freshness {p50} median, {p99} at 99 %   agents at most {memory}"),
        format!("          lost {lost}   repeated {repeated}"),
    ];
    let plain = format!(
        "{clock}  tasks {tasks}  samples {samples}  segments {segments}  freshness {p50} / {p99}  \
         lost {lost}  repeated {repeated}  agents {memory}"
    );
    (block, plain)
}

/// What came of it: for people, and on request as the last line of stdout.
pub(super) fn summary(world: &World) {
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
        terminal.say(&format!("  refused: {what}, {count} times"));
    }
    if accounts.unaccounted() > 0 {
        terminal.say(&format!(
            "  {} agent(s) ended without a ledger that adds up: see their logs",
            accounts.unaccounted()
        ));
    }
    let Missing { readings, exports, spans } = accounts.missing();
    if circumstances.amp && readings + exports > 0 {
        terminal.say(&format!(
            "  taken by agents and not in Prometheus: {readings} readings, {exports} metric exports"
        ));
    }
    if circumstances.xray && spans > 0 {
        terminal.say(&format!("  taken by agents and not in X-Ray: {spans} spans"));
    }
    if flags.json
        && let Ok(json) = serde_json::to_string(&summary)
    {
        println!("{json}");
    }
}
