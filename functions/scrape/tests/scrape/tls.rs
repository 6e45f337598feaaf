//! TLS to agents, pinned.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use siphon_core::shard::Target;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use super::world::{ENOUGH, World};

const CERTIFICATE: &str = include_str!("../../../../agent/testdata/tls/certificate.pem");
const PRIVATE_KEY: &str = include_str!("../../../../agent/testdata/tls/private-key.pem");
const FINGERPRINT: &str = include_str!("../../../../agent/testdata/tls/fingerprint.txt");

/// Takes TLS off for `plain`.
async fn front(plain: SocketAddr) -> SocketAddr {
    let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(PRIVATE_KEY.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut secured) = acceptor.accept(stream).await else { return };
                let mut plain = TcpStream::connect(plain).await.unwrap();
                let _ = copy_bidirectional(&mut secured, &mut plain).await; // either may break off
            });
        }
    });
    address
}

/// A function that believes `certificates`, and its agent behind TLS.
async fn behind_tls(certificates: &str) -> (World, Target) {
    let world = World::with_settings(&[("SIPHON_AGENT_CERTIFICATES", certificates)]).await;
    world.agent.readings(3, 20);
    let target = world.agent.target();
    let address = front(SocketAddr::new(target.address, target.port)).await;
    let target = Target { address: address.ip(), port: address.port(), ..target };
    (world, target)
}

#[tokio::test]
async fn an_agent_with_a_known_certificate_is_drained() {
    let rotated = format!("{},{FINGERPRINT}", "ab".repeat(32));
    for certificates in [FINGERPRINT, &rotated] {
        let (world, target) = behind_tls(certificates).await;
        let tally = world.scrape_all(vec![target], ENOUGH).await.tally;
        assert_eq!((world.agent.acked(), tally.agents_failed.total()), ((3, 0), 0), "{certificates}");
    }
}

#[tokio::test]
async fn one_with_another_certificate_is_asked_nothing() {
    let (world, target) = behind_tls(&"ab".repeat(32)).await;
    let tally = world.scrape_all(vec![target], ENOUGH).await.tally;
    assert_eq!((tally.agents_failed.get("tls"), tally.agents_failed.total()), (1, 1));
    assert_eq!(world.agent.edit(|state| (state.pulls.len(), state.strangers)), (0, 0));
}

#[tokio::test]
async fn without_tls_an_agent_is_asked_nothing_and_one_that_hangs_costs_two_seconds() {
    let world = World::with_settings(&[("SIPHON_AGENT_CERTIFICATES", FINGERPRINT)]).await;
    let tally = world.scrape(ENOUGH).await.tally;
    assert_eq!((tally.agents_failed.get("tls"), world.agent.edit(|state| state.pulls.len())), (1, 0));

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let target = Target { address: address.ip(), port: address.port(), ..world.agent.target() };
    let begun = tokio::time::Instant::now();
    let tally = world.scrape_all(vec![target], ENOUGH).await.tally;
    assert_eq!(tally.agents_failed.get("timeout"), 1);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}
