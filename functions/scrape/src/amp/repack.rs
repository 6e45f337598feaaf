//! Makes other requests of one: smaller ones where the receiver finds it too large, those of remote write 1.0 where it
//! knows no other.

use siphon_core::remote_write::{Drop, Limits, Packer, Request, Version};

/// Requests in the order in which they are to be sent, and what has no place in them.
pub(super) type Repacked = (Vec<Request>, Vec<Drop>);

/// The first and the second half of what `request` holds, in its own version; `None` if that is but one sample.
pub(super) fn halves(request: &Request) -> Option<Repacked> {
    let (batch, sets) = request.unpack().ok()?;
    let (mut first, mut second) = batch.halves()?;
    let mut packer = Packer::new(&Limits::default(), request.version);
    let (mut requests, mut dropped) = packer.requests(&mut first, &sets);
    let (later, more) = packer.requests(&mut second, &sets);
    requests.extend(later);
    dropped.extend(more);
    Some((requests, dropped))
}

/// What `request` holds, as far as remote write 1.0 can say it: more than one request, where the symbol table saved much.
/// `None` if the request can't be read, which one that was packed here always can.
pub(super) fn as_v1(request: &Request) -> Option<Repacked> {
    let (mut batch, sets) = request.unpack().ok()?;
    Some(Packer::new(&Limits::default(), Version::V1).requests(&mut batch, &sets))
}

#[cfg(test)]
mod tests {
    use siphon_core::{
        series::{Batch, LabelSets, NAME},
        units::UnixMillis,
    };

    use super::*;

    fn request(series: usize, samples: i64, version: Version) -> Request {
        let (mut sets, mut batch) = (LabelSets::default(), Batch::default());
        for n in 0..series {
            let labels = [(NAME, format!("metric_{n}")), ("common", "x".repeat(2_000))];
            let id = sets.id(labels.into_iter().collect());
            (0..samples).for_each(|at| batch.push(id, UnixMillis(at), 1.0));
        }
        Packer::new(&Limits::default(), version).requests(&mut batch, &sets).0.remove(0)
    }

    /// Series and samples of each.
    fn sizes((requests, dropped): Repacked) -> Vec<(usize, usize)> {
        assert!(dropped.is_empty());
        requests.iter().map(|request| (request.series, request.samples)).collect()
    }

    #[test]
    fn halves_are_of_the_requests_own_version() {
        for version in [Version::V1, Version::V2] {
            assert_eq!(sizes(halves(&request(5, 1, version)).unwrap()), [(2, 2), (3, 3)]);
            assert_eq!(sizes(halves(&request(1, 5, version)).unwrap()), [(1, 2), (1, 3)]);
            assert!(halves(&request(1, 1, version)).is_none());
            assert!(halves(&request(2, 1, version)).unwrap().0.iter().all(|half| half.version == version));
        }
    }

    #[test]
    fn one_request_of_2_0_may_need_several_of_1_0() {
        let repacked = as_v1(&request(1_000, 2, Version::V2)).unwrap();
        assert!(repacked.0.iter().all(|request| request.version == Version::V1));
        let sizes = sizes(repacked);
        assert_eq!((sizes.len(), sizes.iter().map(|(_, samples)| samples).sum::<usize>()), (3, 2_000));
    }
}
