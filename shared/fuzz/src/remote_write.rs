//! Remote-write bodies, as the receivers of `local/` and of the tests read them.

use siphon_core::{
    prometheus,
    remote_write::{Limits, Packer, v1},
    series::LabelSets,
};

use crate::seeds::golden;

const MAX_DECODED: usize = 1 << 20;

pub(crate) fn run(bytes: &[u8]) -> bool {
    v1::decode(bytes, MAX_DECODED).is_ok()
}

/// The golden metrics as requests.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    golden("metrics", ".pb").into_iter().flat_map(|(name, bytes)| Some((name, body(&bytes)?))).collect()
}

fn body(metrics: &[u8]) -> Option<Vec<u8>> {
    let (mut sets, options) = (LabelSets::default(), prometheus::Options::default());
    let mut made = prometheus::Translator::new(&options, None).translate(metrics, &mut sets).ok()?;
    let (requests, _) = Packer::new(&Limits::default()).requests(&mut made.batch, &sets);
    Some(requests.into_iter().next()?.body)
}
