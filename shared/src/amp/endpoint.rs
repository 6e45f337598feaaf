//! Which hosts are AMP's (<https://docs.aws.amazon.com/general/latest/gr/prometheus-service.html>).

const SERVICES: [&str; 2] = ["aps-workspaces", "aps-workspaces-fips"];

/// AWS's domains, by partition; then those of dual-stack endpoints.
const DOMAINS: [&str; 5] =
    ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws", "api.amazonwebservices.com.cn"];

/// Whether a URL's host is an endpoint of Amazon Managed Service for Prometheus: public, FIPS, dual-stack, or the DNS
/// name of an interface endpoint in a VPC.
///
/// ```
/// use siphon_core::amp::is_amp;
/// assert!(is_amp("aps-workspaces.eu-west-1.amazonaws.com"));
/// assert!(is_amp("vpce-0a1b2c3d-4e5f6a7b.aps-workspaces.eu-west-1.vpce.amazonaws.com"));
/// assert!(!is_amp("prometheus.example.com"));
/// ```
#[must_use]
pub fn is_amp(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    match host.split_once('.') {
        Some((endpoint, rest)) if endpoint.starts_with("vpce-") => is_service(rest, "vpce."),
        _ => is_service(&host, ""),
    }
}

/// `aps-workspaces.<region>.<within><domain>`
fn is_service(host: &str, within: &str) -> bool {
    let Some((service, rest)) = host.split_once('.') else { return false };
    let Some((region, rest)) = rest.split_once('.') else { return false };
    let domain = rest.strip_prefix(within);
    SERVICES.contains(&service)
        && !region.is_empty()
        && domain.is_some_and(|domain| DOMAINS.contains(&domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_every_kind_are_known_and_nothing_else() {
        for host in [
            "aps-workspaces.eu-west-1.amazonaws.com",
            "APS-Workspaces.eu-west-1.amazonaws.com.",
            "aps-workspaces.eu-west-1.api.aws",
            "aps-workspaces-fips.us-gov-west-1.amazonaws.com",
            "aps-workspaces-fips.us-east-1.api.aws",
            "aps-workspaces.cn-north-1.amazonaws.com.cn",
            "aps-workspaces.cn-north-1.api.amazonwebservices.com.cn",
            "vpce-0a1b-4e5f.aps-workspaces.eu-west-1.vpce.amazonaws.com",
            "vpce-0a1b-4e5f-eu-west-1a.aps-workspaces.eu-west-1.vpce.amazonaws.com",
            "vpce-0a1b-4e5f.aps-workspaces-fips.us-east-1.vpce.amazonaws.com",
            "vpce-0a1b-4e5f.aps-workspaces.cn-north-1.vpce.amazonaws.com.cn",
        ] {
            assert!(is_amp(host), "{host}");
        }
        for host in [
            "",
            "aps-workspaces",
            "aps-workspaces.eu-west-1",
            "aps-workspaces.amazonaws.com",
            "aps-workspaces..amazonaws.com",
            "aps.eu-west-1.amazonaws.com",
            "monitoring.eu-west-1.amazonaws.com",
            "aps-workspaces.eu-west-1.amazonaws.com.example.org",
            "aps-workspaces.eu-west-1.vpce.amazonaws.com",
            "vpce-0a1b.aps-workspaces.eu-west-1.amazonaws.com",
            "vpce-0a1b.monitoring.eu-west-1.vpce.amazonaws.com",
            "127.0.0.1",
            "prometheus.internal",
        ] {
            assert!(!is_amp(host), "{host}");
        }
    }
}
