//! Keys: two while they are rotated, and where they come from.

use std::time::Duration;

use super::world::{ENOUGH, KEY, SHORT, World, logs::Logs, secrets, secrets::Secrets};

const OTHER: &str = "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c";
const THIRD: &str = "0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d";

async fn world(secrets: &Secrets) -> World {
    World::with_settings(&settings(secrets)).await
}

fn settings(secrets: &Secrets) -> [(&str, &str); 2] {
    [("SIPHON_KEY_SECRET_ARN", secrets::ARN), ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets.url)]
}

/// So much later, without the wait.
async fn later(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn an_agent_with_the_second_key_is_asked_in_vain_once_a_drain() {
    let both = format!("{OTHER},{KEY}");
    let world = World::with_settings(&[("SIPHON_KEY", &both)]).await;
    world.agent.readings(7, 20);
    world.agent.edit(|state| state.page_records = Some(3));
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.agent.acked(), tally.agents_failed.total()), ((7, 0), 0));
    assert_eq!(world.agent.edit(|state| (state.strangers, state.acks)), (1, 3));
}

#[tokio::test]
async fn keys_come_from_the_secret_todays_and_the_one_before() {
    for (current, previous) in
        [(KEY, None), (KEY, Some(OTHER)), (OTHER, Some(KEY)), (KEY, Some("an older format"))]
    {
        let secrets = Secrets::start(current, previous).await;
        let world = world(&secrets).await;
        world.agent.readings(1, 20);
        world.scrape(ENOUGH).await;
        assert_eq!(world.agent.acked(), (1, 0), "{current} {previous:?}");
        assert_eq!(secrets.edit(|state| state.calls.clone()), ["AWSCURRENT", "AWSPREVIOUS"]);
    }
}

#[tokio::test]
async fn an_agent_that_knows_neither_key_has_them_fetched_again_once_a_minute() {
    let secrets = Secrets::start(OTHER, None).await;
    let world = world(&secrets).await;
    world.agent.readings(1, 20);
    let first = secrets.calls();
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((tally.agents_failed.get("bad_signature"), secrets.calls()), (1, first), "they are fresh");

    later(Duration::from_secs(61)).await;
    world.scrape(ENOUGH).await;
    assert_eq!((world.agent.acked(), secrets.calls()), ((0, 0), first + 2), "asked again, nothing new");
    secrets.rotate(KEY, Some(OTHER));
    world.scrape(ENOUGH).await;
    assert_eq!((world.agent.acked(), secrets.calls()), ((0, 0), first + 2), "not yet");

    later(Duration::from_secs(61)).await;
    secrets.edit(|state| state.refusal = Some((400, "AccessDeniedException")));
    world.scrape(ENOUGH).await;
    assert_eq!(world.agent.acked(), (0, 0), "the old keys stay");
    later(Duration::from_secs(61)).await;
    secrets.edit(|state| state.refusal = None);
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((world.agent.acked(), tally.agents_failed.total()), ((1, 0), 0));
    let calls = secrets.calls();
    world.agent.readings(1, 20);
    world.scrape(ENOUGH).await;
    assert_eq!((world.agent.acked(), secrets.calls()), ((2, 0), calls), "for all that follows");
}

#[tokio::test]
async fn without_the_secret_there_is_no_start_and_the_error_says_what_to_do() {
    let secrets = Secrets::start("correct horse battery staple", None).await;
    let error = async || World::try_with_settings(&settings(&secrets)).await.err().unwrap().to_string();
    let no_key = error().await;
    assert!(no_key.contains("64 digits") && !no_key.contains("horse"), "{no_key}");
    for (code, hint) in [
        ("AccessDeniedException", "secretsmanager:GetSecretValue"),
        ("ResourceNotFoundException", "SIPHON_KEY_SECRET_ARN"),
    ] {
        secrets.edit(|state| state.refusal = Some((400, code)));
        let refused = error().await;
        assert!(refused.contains(code) && refused.contains(hint), "{refused}");
    }
}

#[tokio::test]
async fn a_throttled_secrets_manager_is_asked_again() {
    let secrets = Secrets::start(KEY, None).await;
    secrets.edit(|state| state.refusal = Some((400, "ThrottlingException")));
    let settings = settings(&secrets);
    let calm = async {
        while secrets.calls() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        secrets.edit(|state| state.refusal = None);
    };
    let (world, ()) = tokio::join!(World::try_with_settings(&settings), calm);
    assert!(world.is_ok());
}

#[tokio::test]
async fn no_level_of_the_log_has_a_key() {
    let (logs, _listening) = Logs::start();
    let secrets = Secrets::start(THIRD, Some(KEY)).await;
    let world = world(&secrets).await;
    world.agent.readings(1, 20);
    world.scrape(ENOUGH).await;
    world.agent.edit(|state| state.key = Some(OTHER));
    let tally = world.scrape(SHORT).await.tally;
    assert_eq!((world.agent.acked(), tally.agents_failed.get("bad_signature")), ((1, 0), 1));
    let text = logs.text();
    assert!(text.contains("agent can't be drained") && text.contains("\"TRACE\""), "{text}");
    for key in [KEY, OTHER, THIRD] {
        assert!(!text.contains(&key[..16]), "{text}");
    }
}
