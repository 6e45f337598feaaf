//! A task whose metadata endpoint is not ours.

use std::{sync::Arc, time::Duration};

use crate::{
    http_client::HttpClient,
    tasks::{Identity, Task},
    terminal::Terminal,
};

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Asks the metadata endpoint at `url` who task 1 is, until it tells. ECS lists the task only then.
pub(super) async fn identify(tasks: Arc<Vec<Task>>, url: String, terminal: Arc<Terminal>) {
    let Some(task) = tasks.first() else { return };
    let client = HttpClient::new();
    let mut told = false;
    loop {
        match ask(&client, &url).await {
            Ok(identity) => {
                terminal.say(&format!("Task 1 is {}.", identity.arn));
                return task.identify(identity);
            }
            Err(error) if !told => {
                told = true;
                terminal
                    .warn(&format!("--metadata-url: {error:#}; tried again until it tells who task 1 is"));
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

async fn ask(client: &HttpClient, url: &str) -> anyhow::Result<Identity> {
    let answer = client.get(&format!("{url}/task")).await?;
    let identity: Identity = serde_json::from_slice(&answer)?;
    anyhow::ensure!(identity.arn.contains(":task/"), "{url}/task has no task ARN in TaskARN");
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::{Router, http::StatusCode, response::IntoResponse as _, routing::get};
    use siphon_core::units::UnixMillis;

    use super::*;

    #[tokio::test]
    async fn the_identity_is_asked_for_until_it_is_told() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let answer = move || async move {
            match counter.fetch_add(1, Ordering::Relaxed) {
                0 => (StatusCode::TOO_MANY_REQUESTS, "slow down").into_response(),
                _ => r#"{"TaskARN":"arn:aws:ecs:eu-west-1:1:task/c/a","Cluster":"c"}"#.into_response(),
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/task", get(answer))).await });

        let tasks = Arc::new(crate::tasks::lay_out(1, true, None, UnixMillis(0)).unwrap());
        assert_eq!(tasks[0].identity(), None);
        identify(Arc::clone(&tasks), url, Terminal::silent()).await;
        assert_eq!(tasks[0].identity().unwrap().id(), "a");
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
