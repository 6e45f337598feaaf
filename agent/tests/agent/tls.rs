//! TLS on the pull port.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use siphon_core::wire::PULL_PATH;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    version::TLS13,
};

use crate::{
    http::{connect, request},
    metadata::Metadata,
    process::{Agent, command},
};

const CERTIFICATE: &str = include_str!("../../testdata/tls/certificate.pem");
const PRIVATE_KEY: &str = include_str!("../../testdata/tls/private-key.pem");
const SETTINGS: [(&str, &str); 2] =
    [("SIPHON_TLS_CERTIFICATE", CERTIFICATE), ("SIPHON_TLS_PRIVATE_KEY", PRIVATE_KEY)];

/// Takes one certificate alone.
#[derive(Debug)]
struct Pinned(CertificateDer<'static>, Arc<CryptoProvider>);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        assert_eq!(*end_entity, self.0);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!("TLS 1.3 alone is offered")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.1.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}

fn secured(agent: &Agent) -> StreamOwned<ClientConnection, TcpStream> {
    let provider = Arc::new(ring::default_provider());
    let pinned =
        Pinned(CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap(), Arc::clone(&provider));
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    let name = ServerName::try_from("siphon-agent").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), connect(agent.pull))
}

#[test]
fn pulls_are_answered_over_tls() {
    let (agent, puller) = Agent::known(&Metadata::start(), &SETTINGS);
    let signed = puller.sign_pull();
    let headers = signed.headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut stream = secured(&agent);
    stream.write_all(&request("POST", PULL_PATH, &headers, &signed.body, "close")).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", answer.escape_ascii());
    assert!(answer.windows(4).any(|bytes| bytes == b"SPH1"), "a page");
    assert!(!agent.logged("answering pulls").iter().any(|line| line.contains("tls=false")));
}

#[test]
fn the_health_check_of_this_machine_needs_no_certificate() {
    let agent = Agent::start(&Metadata::start(), &SETTINGS);
    let address = agent.pull.to_string();
    let mut check = command(&[("SIPHON_PULL_ADDRESS", address.as_str())]);
    let output = check.arg("health").stdout(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_broken_handshake_costs_nobody_else_a_pull() {
    let (agent, puller) = Agent::known(&Metadata::start(), &SETTINGS);
    let mut broken = connect(agent.pull);
    broken.write_all(&[22, 3, 1, 0, 5, 1, 2, 3, 4, 5]).unwrap();
    let mut rest = Vec::new();
    broken.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let _ = broken.read_to_end(&mut rest); // an alert, and the end
    assert!(rest.len() < 100, "{rest:?}");
    assert!(puller.pull().is_ok());
}

#[test]
fn a_certificate_and_its_key_come_together_and_are_not_quoted() {
    for (settings, name) in [
        (&SETTINGS[..1], "SIPHON_TLS_PRIVATE_KEY"),
        (&SETTINGS[1..], "SIPHON_TLS_CERTIFICATE"),
        (
            &[("SIPHON_TLS_CERTIFICATE", CERTIFICATE), ("SIPHON_TLS_PRIVATE_KEY", CERTIFICATE)],
            "SIPHON_TLS_CERTIFICATE",
        ),
    ] {
        let settings = [&[("SIPHON_KEY", crate::process::KEY)], settings].concat();
        let output = command(&settings).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2));
        assert!(error.contains(name) && !error.contains("BEGIN"), "{error}");
    }
}
