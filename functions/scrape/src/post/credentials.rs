//! Credentials of the SDK's provider chain, asked for once.

use std::time::{Duration, SystemTime};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError},
};
use tokio::sync::Mutex;

/// Credentials are asked for again this long before they expire.
const MARGIN: Duration = Duration::from_secs(300);

/// A provider and what it last said.
pub(super) struct CachedCredentials {
    provider: SharedCredentialsProvider,
    cached: Mutex<Option<Credentials>>,
}

impl CachedCredentials {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, cached: Mutex::default() }
    }

    pub(super) async fn get(&self) -> Result<Credentials, CredentialsError> {
        let mut cached = self.cached.lock().await;
        if let Some(credentials) = cached.as_ref().filter(|credentials| is_fresh(credentials)) {
            return Ok(credentials.clone());
        }
        let credentials = self.provider.provide_credentials().await?;
        *cached = Some(credentials.clone());
        Ok(credentials)
    }

    pub(super) async fn forget(&self) {
        *self.cached.lock().await = None;
    }
}

fn is_fresh(credentials: &Credentials) -> bool {
    credentials.expiry().is_none_or(|expiry| expiry > SystemTime::now() + MARGIN)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use aws_credential_types::provider::future;

    use super::*;

    #[derive(Debug, Default)]
    struct Counting {
        asked: Arc<AtomicU32>,
        lifetime: Option<Duration>,
    }

    impl ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let expiry = self.lifetime.map(|lifetime| SystemTime::now() + lifetime);
            future::ProvideCredentials::ready(Ok(Credentials::new("id", "secret", None, expiry, "test")))
        }
    }

    async fn asked_in_three_gets(lifetime: Option<Duration>) -> u32 {
        let asked = Arc::<AtomicU32>::default();
        let provider = Counting { asked: Arc::clone(&asked), lifetime };
        let credentials = CachedCredentials::new(SharedCredentialsProvider::new(provider));
        for _ in 0..3 {
            credentials.get().await.unwrap();
        }
        asked.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn credentials_are_asked_for_once_until_they_near_their_end() {
        assert_eq!(asked_in_three_gets(None).await, 1);
        assert_eq!(asked_in_three_gets(Some(Duration::from_secs(3600))).await, 1);
        assert_eq!(asked_in_three_gets(Some(Duration::from_secs(60))).await, 3);
    }
}
