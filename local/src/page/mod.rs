//! The web page and its JSON.
//!
//! | path | answer |
//! |---|---|
//! | `/` | the page, one file |
//! | `/api/overview` | numbers and tasks |
//! | `/api/charts` | ECS metrics by task family |
//! | `/api/traces` | the latest traces |
//! | `/api/traces/{id}` | the spans of one, for the waterfall |

mod charts;
mod overview;
mod waterfall;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::run::World;

/// Traces in the list.
const LISTED_TRACES: usize = 60;

/// Serves until the program ends; gives its address.
///
/// # Errors
/// The address is taken: the run goes on without a page.
pub(crate) async fn start(world: Arc<World>) -> anyhow::Result<SocketAddr> {
    let address = world.flags.page;
    let listener = TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/", get(page))
        .route("/api/overview", get(overview))
        .route("/api/charts", get(charts))
        .route("/api/traces", get(traces))
        .route("/api/traces/{id}", get(trace))
        .with_state(world);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn page() -> Response {
    // Nothing is fetched from elsewhere, and the browser holds the page to it.
    let policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; \
                  img-src data:";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(include_str!("index.html"))).into_response()
}

async fn overview(State(world): State<Arc<World>>) -> Json<Value> {
    Json(overview::overview(&world))
}

async fn charts(State(world): State<Arc<World>>) -> Json<Value> {
    let tasks = world.tasks.iter().filter_map(|task| {
        let identity = task.identity()?;
        let family = if identity.family.is_empty() { task.service.to_owned() } else { identity.family };
        Some((family, world.store.task(&identity.arn)))
    });
    Json(charts::by_family(tasks.collect()))
}

async fn traces(State(world): State<Arc<World>>) -> Json<Value> {
    let traces = world.store.traces(LISTED_TRACES);
    Json(waterfall::list(&traces))
}

async fn trace(State(world): State<Arc<World>>, Path(id): Path<String>) -> Response {
    match world.store.trace(&id) {
        Some(trace) => Json(waterfall::spans(&trace)).into_response(),
        None => {
            (StatusCode::NOT_FOUND, Json(json!({ "error": "no such trace, or too old" }))).into_response()
        }
    }
}
