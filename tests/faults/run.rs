//! Runs a schedule: its steps, then calm until all is drained and every agent has ended.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use siphon_core::shard::Shard;
use siphon_tests::prometheus::Prometheus;
use tokio::time::sleep;

use crate::{
    function::{shards, stop},
    lambda::{Death, Lambda},
    schedule::{Event, Schedule, Scrape, Step},
    sender::Habit,
    stored::Stored,
    world::{Place, World, number},
};

/// How long draining may take once nothing fails any more: seconds, but minutes on a machine that is busy, for what is bad is
/// told from what is good request by request.
pub(crate) const CALM: Duration = Duration::from_secs(240);

/// For one invocation in the calm: as long as it takes to find what is bad in a request of thousands of samples.
const LEFT: Duration = Duration::from_secs(10);

/// Runs `schedule`.
///
/// # Errors
/// The schedule, and what is wrong once it is over.
pub(crate) async fn run(
    schedule: Schedule,
    prometheus: Option<&Prometheus>,
    stored: impl FnOnce(&World) -> Stored,
) -> Result<(), String> {
    let mut world = World::new(&schedule, prometheus.map(Prometheus::address)).await;
    world.suffer().await;
    world.calm_down().await;
    let (sum, problems) = world.check(&stored(&world));
    println!("seed {}: {sum:?}", schedule.seed);
    if problems.is_empty() {
        return Ok(());
    }
    let shown: Vec<_> = problems.iter().take(12).map(String::as_str).collect();
    Err(format!("{} problems, such as:\n{}\nof {schedule}", problems.len(), shown.join("\n")))
}

impl World {
    /// All steps, in order. A scrape may go on during those that follow it, be they scrapes.
    pub(crate) async fn suffer(&mut self) {
        let lambdas = Arc::new(Mutex::new(Vec::new()));
        let mut scrapes = Vec::new();
        self.list();
        for (step, pause) in self.schedule.steps.clone() {
            match step {
                Step::Scrape(scrape) => {
                    let scraping = tokio::spawn(self.scrape(&scrape, Arc::clone(&lambdas)));
                    if scrape.goes_on {
                        scrapes.push(scraping);
                    } else {
                        scraping.await.unwrap();
                    }
                }
                // Nobody starts an agent again whose task is to stop.
                Step::Restart(place) if self.places[place].is_stopping => {}
                Step::Restart(place) => {
                    let task = self.places[place].lives.last().unwrap().task;
                    self.kill(place).await;
                    self.places[place].lives.last_mut().unwrap().may_lose = !self.schedule.agents.is_on_disk;
                    self.begin(place, task).await;
                }
                Step::Reuse(place) => {
                    self.kill(place).await;
                    self.places[place].lives.iter_mut().for_each(|life| life.may_lose = true);
                    self.begin(place, number()).await;
                }
                Step::Replace(place) => {
                    self.places[place].lives.last_mut().unwrap().agent.stop();
                    self.add(self.places[place].habit).await;
                }
                Step::End(place, events) => {
                    self.places[place].lives.last_mut().unwrap().agent.stop();
                    self.places[place].is_stopping = true;
                    for event in events {
                        scrapes.push(tokio::spawn(self.tell(place, &event)));
                    }
                    let habit = self.places[place].habit;
                    self.add(Habit { gauges: habit.gauges.min(12), ..habit }).await;
                }
                Step::Cut(place, is_cut) => self.places[place].proxy.cut(is_cut),
                Step::Skew(place, ms) => self.places[place].proxy.skew(ms),
                Step::Storm { metrics, traces } => self.backend.storm(metrics, traces),
            }
            sleep(Duration::from_millis(pause)).await;
        }
        for scraping in scrapes {
            scraping.await.unwrap();
        }
    }

    /// An event tells the function, in an environment of its own, of the task that is at a place. Returns when that has
    /// ended.
    fn tell(&self, place: usize, event: &Event) -> impl Future<Output = ()> + Send + use<> {
        let (function, trap, event) = (self.function.clone(), Arc::clone(&self.trap), event.clone());
        let target = self.places[place].target();
        async move {
            sleep(event.delay).await;
            let death = event.death.map(|(point, passes)| point.death(passes, event.is_process, &trap));
            let death = death.unwrap_or(Death::Never);
            Lambda::default().invoke(&function, stop(&target), event.left, death).await;
        }
    }

    /// Invokes the function for the tasks that are there now, in environments of `lambdas` or new ones, which are there
    /// afterwards. Returns when that has ended.
    fn scrape(
        &mut self,
        scrape: &Scrape,
        lambdas: Arc<Mutex<Vec<Lambda>>>,
    ) -> impl Future<Output = ()> + Send + use<> {
        self.list();
        let late = scrape.late_listing.map(|before| self.messages(before)).unwrap_or_default();
        let mut due: Vec<Shard> = late.into_iter().chain(self.messages(0)).collect();
        if scrape.is_doubled {
            due.extend_from_within(..);
        }
        let mut death =
            scrape.death.map(|(point, passes)| point.death(passes, scrape.is_process, &self.trap));
        let (function, copies, left) = (self.function.clone(), scrape.copies, scrape.left);
        let event = shards(&due);
        async move {
            let mut used: Vec<_> = {
                let mut free = lambdas.lock().unwrap();
                std::iter::repeat_with(|| free.pop().unwrap_or_default()).take(copies).collect()
            };
            let invocations = used.iter_mut().map(|lambda| {
                let death = death.take().unwrap_or(Death::Never);
                lambda.invoke(&function, event.clone(), left, death)
            });
            join_all(invocations).await;
            lambdas.lock().unwrap().extend(used);
        }
    }

    /// No more faults: drains all, stops all, and drains what comes of that. Problems are noted with those that have them.
    pub(crate) async fn calm_down(&mut self) {
        self.backend.calm();
        self.places.iter().for_each(|place| place.proxy.calm());
        for life in self.lives() {
            life.sender.stop().await;
            life.agent.upstream.view.lock().unwrap().was_empty = false; // that was before
        }
        let mut lambda = Lambda::default();
        self.drain(&mut lambda, "drained", |world| {
            let mut lives = world.lives().filter(|life| !life.is_killed);
            lives.all(|life| life.agent.has_ended() || life.agent.upstream.view.lock().unwrap().was_empty)
        })
        .await;
        for life in self.lives().filter(|life| !life.is_killed) {
            life.problems.extend(life.agent.excess());
            life.agent.stop();
        }
        self.drain(&mut lambda, "ended", |world| world.lives().all(|life| life.agent.has_ended())).await;
    }

    /// The last event of each task that is to stop, and has not.
    fn last_events(&mut self) -> Vec<impl Future<Output = ()> + Send + use<>> {
        let event = Event { delay: Duration::ZERO, left: CALM / 8, death: None, is_process: false };
        let is_due =
            |place: &mut Place| place.is_stopping && !place.lives.last_mut().unwrap().agent.has_ended();
        let due: Vec<_> = self.places.iter_mut().map(is_due).collect();
        let due = due.into_iter().enumerate().filter(|(_, is_due)| *is_due);
        due.map(|(place, _)| self.tell(place, &event)).collect()
    }

    /// Scrapes until it is `done`, but not for ever.
    async fn drain(&mut self, lambda: &mut Lambda, what: &str, done: impl Fn(&mut Self) -> bool) {
        let begun = Instant::now();
        loop {
            self.list();
            let (due, events) = (shards(&self.messages(0)), self.last_events());
            // What takes longer than it may on a busy machine is begun anew each time.
            let left = LEFT.max(begun.elapsed());
            let scraping = lambda.invoke(&self.function, due, left, Death::Never);
            let (scraped, _) = join(scraping, join_all(events)).await;
            if done(self) {
                return;
            }
            if begun.elapsed() > CALM {
                let problem = format!("not all is {what} after {CALM:?} without faults; lately: {scraped:?}");
                return self.places[0].lives[0].problems.push(problem);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}
