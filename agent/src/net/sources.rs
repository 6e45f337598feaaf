//! Who holds how many connections: one remote address must not take all places.

use std::{cell::RefCell, net::IpAddr, rc::Rc};

/// The addresses of connections that are open, each as often as it has one.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources(Rc<RefCell<Vec<IpAddr>>>);

/// One connection's mark. Gone when dropped.
#[derive(Debug)]
pub(super) struct Source {
    all: Sources,
    address: IpAddr,
}

impl Sources {
    /// Marks one more of `address`; `None` if it has `most` already.
    pub(super) fn enter(&self, address: IpAddr, most: usize) -> Option<Source> {
        let mut open = self.0.borrow_mut();
        if open.iter().filter(|other| **other == address).count() >= most {
            return None;
        }
        open.push(address);
        Some(Source { all: self.clone(), address })
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let mut open = self.all.0.borrow_mut();
        if let Some(index) = open.iter().position(|other| *other == self.address) {
            open.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_no_more_until_one_ends() {
        let (sources, one, other) = (Sources::default(), [10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let held: Vec<_> = (0..2).filter_map(|_| sources.enter(one, 2)).collect();
        assert!(held.len() == 2 && sources.enter(one, 2).is_none() && sources.enter(other, 2).is_some());
        drop(held);
        assert!(sources.enter(one, 2).is_some() && sources.0.borrow().is_empty());
    }
}
