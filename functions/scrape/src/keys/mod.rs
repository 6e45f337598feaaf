//! The keys that this function shares with the agents: given, or fetched from a secret, anew when agents know neither.

mod choice;
mod secret;

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use siphon_core::wire::Keys;
use tokio::{sync::Mutex, time::Instant};
use tracing::{info, warn};

use crate::{
    clients::HttpsClient,
    describe,
    settings::{Config, KeySource},
    start_error::StartError,
    time::Deadline,
};
pub use choice::KeyChoice;
use secret::Secret;
pub use secret::SecretError;

/// For the first fetch: Lambda gives a function ten seconds to start.
const FIRST_FETCH: Duration = Duration::from_secs(8);

/// For later ones: the agents of a shard wait for it.
const LATER_FETCH: Duration = Duration::from_secs(3);

/// The secret is not fetched again sooner: an agent with a foreign key must not set off a call with each drain.
const FETCH_INTERVAL: Duration = Duration::from_secs(60);

/// What lives as long as the execution environment.
pub struct Keyring {
    secret: Option<Secret>,
    latest: Mutex<Latest>,
}

struct Latest {
    keys: Arc<Keys>,
    fetched: Instant,
}

impl Keyring {
    /// With the keys that `config` gives, or those of the secret that it names.
    ///
    /// # Errors
    /// [`StartError`], if the secret can't be had.
    pub async fn open(config: &Config, https: &HttpsClient, aws: &SdkConfig) -> Result<Self, StartError> {
        let (secret, keys) = match &config.keys {
            KeySource::Given(keys) => (None, keys.clone()),
            KeySource::Secret(arn) => {
                let endpoint = config.secrets_address.as_deref();
                let secret = Secret::new(https.clone(), arn, endpoint, aws).map_err(StartError::Endpoint)?;
                let secret = secret.ok_or(StartError::Aws)?;
                let keys = secret.fetch(Deadline::after(FIRST_FETCH)).await?;
                (Some(secret), keys)
            }
        };
        let latest = Latest { keys: keys.into(), fetched: Instant::now() };
        Ok(Self { secret, latest: Mutex::new(latest) })
    }

    /// The latest keys, for one agent.
    pub async fn choice(&self) -> KeyChoice {
        KeyChoice::new(Arc::clone(&self.latest.lock().await.keys))
    }

    /// Other keys than those `refused`, if there are any by now. Asks for them, at most once a minute, for all agents.
    pub async fn renewed(&self, refused: &KeyChoice, deadline: Deadline) -> Option<KeyChoice> {
        let mut latest = self.latest.lock().await;
        if refused.is_of(&latest.keys) {
            let secret = self.secret.as_ref().filter(|_| latest.fetched.elapsed() >= FETCH_INTERVAL)?;
            latest.fetched = Instant::now();
            match secret.fetch(deadline.min(Deadline::after(LATER_FETCH))).await {
                Ok(keys) => latest.keys = keys.into(),
                Err(error) => {
                    warn!(error = describe(&error), "keys can't be fetched again; the old ones stay")
                }
            }
        }
        let is_new = !refused.is_of(&latest.keys);
        is_new.then(|| {
            info!("agents are asked with new keys");
            KeyChoice::new(Arc::clone(&latest.keys))
        })
    }
}
