//! Remote-write bodies, as the receivers of `local/` and of the tests read them.

use siphon_core::{
    prometheus,
    remote_write::{Limits, Packer, Version, v1, v2},
    series::LabelSets,
};

use crate::seeds::golden;

const MAX_DECODED: usize = 1 << 20;

pub(crate) fn run(bytes: &[u8]) -> bool {
    v1::decode(bytes, MAX_DECODED).is_ok() | v2::decode(bytes, MAX_DECODED).is_ok()
}

/// The golden metrics as requests of both versions.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let both = |(name, bytes): (String, Vec<u8>)| {
        [("v1", Version::V1), ("v2", Version::V2)]
            .into_iter()
            .filter_map(move |(folder, version)| Some((format!("{name}-{folder}"), body(&bytes, version)?)))
    };
    golden("metrics", ".pb").into_iter().flat_map(both).collect()
}

fn body(metrics: &[u8], version: Version) -> Option<Vec<u8>> {
    let (mut sets, options) = (LabelSets::default(), prometheus::Options::default());
    let mut made = prometheus::Translator::new(&options, None).translate(metrics, &mut sets).ok()?;
    let (requests, _) = Packer::new(&Limits::default(), version).requests(&mut made.batch, &sets);
    Some(requests.into_iter().next()?.body)
}
