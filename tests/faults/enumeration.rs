//! Schedules in which ECS and SQS fail too: the enumerating function finds tasks late, or loses them for a while; in the
//! end every task is scraped.

use std::time::Duration;

use aws_config::Region;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use fastrand::Rng;
use siphon_enumerate::{
    clients,
    handler::{Context, handle},
    settings::Config,
};
use siphon_local::receivers::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY};

use crate::{
    dice::Dice,
    ecs::{Ecs, Lapse},
    function::shards,
    lambda::{Death, Lambda},
    metadata::arn,
    schedule::{Receiver, Schedule},
    seeds,
    sender::Habit,
    stored::Stored,
    world::{World, number},
};

/// Enumerations while ECS fails.
const ROUNDS: usize = 5;

/// Of each hundred calls so many fail.
const LAPSES_PERCENT: u32 = 30;

const LEFT: Duration = Duration::from_secs(2);

#[test]
fn tasks_that_ecs_throttles_or_forgets_are_scraped_in_the_end() {
    seeds::run("tasks_that_ecs_throttles_or_forgets_are_scraped_in_the_end", 8, schedule);
}

async fn schedule(seed: u64) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let mut schedule = Schedule::draw(seed, Receiver::Amp);
    schedule.steps.clear();
    let drawn = schedule.habits[0];
    let habit = Habit { skew_ms: 0, gauges: drawn.gauges.min(40), ..drawn };
    schedule.habits.clear();
    schedule.habits.resize(rng.usize(3..=6), habit);
    let mut world = World::new(&schedule, None).await;
    let ecs = Ecs::start(Dice::new(seed ^ 0x300, LAPSES_PERCENT, Lapse::draw)).await;
    let (function, mut lambda) = (enumerate(&ecs, &world).await, Lambda::default());
    for round in 0..ROUNDS {
        if round == ROUNDS / 2 {
            world.kill(0).await;
            world.begin(0, number()).await; // another task, at the address that the cache knows
        }
        ecs.set_tasks(world.tasks());
        let _ = handle(&function).await; // whatever it has found is in the queue
        let mut found = ecs.receive();
        rng.shuffle(&mut found);
        lambda.invoke(&world.function, shards(&found), LEFT, Death::Never).await;
    }
    ecs.calm();
    let report = handle(&function).await.map_err(|error| format!("{schedule}{error} in the calm"))?;
    let mut listed: Vec<_> = ecs.receive().into_iter().flat_map(|shard| shard.targets).collect();
    listed.sort_unstable();
    let mut tasks: Vec<_> = world.tasks().iter().map(|(task, _)| arn(*task)).collect();
    tasks.sort_unstable();
    if !listed.iter().map(|target| &target.task_arn).eq(&tasks) {
        return Err(format!("{schedule}{report:?}: listed {listed:?}, but there are {tasks:?}"));
    }
    world.calm_down().await;
    let (sum, problems) = world.check(&Stored::strict(world.backend.receivers()));
    println!("seed {seed}: {sum:?}");
    if problems.is_empty() { Ok(()) } else { Err(format!("{}\nof {schedule}", problems.join("\n"))) }
}

/// The function, as it knows the world's agents by their port.
async fn enumerate(ecs: &Ecs, world: &World) -> Context {
    let port = world.places[0].proxy.address.port();
    let config = Config::read(|name| match name {
        "SIPHON_QUEUE_URL" => Some(format!("{}/111122223333/shards", ecs.url())),
        "SIPHON_CLUSTERS" => Some("faults".to_owned()),
        "SIPHON_AGENT_PORT" => Some(port.to_string()),
        "SIPHON_SHARD_TASKS" => Some("2".to_owned()),
        _ => None,
    });
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "faults");
    let aws = clients::aws()
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(ecs.url())
        .load()
        .await;
    Context::new(config.unwrap(), &aws)
}
