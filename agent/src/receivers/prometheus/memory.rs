//! The memory that scraping may take, all in all.

use std::{cell::Cell, rc::Rc};

/// Bytes that are shared.
#[derive(Debug)]
pub(super) struct Memory {
    free: Cell<usize>,
}

/// What one holder has of them. Given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    memory: Rc<Memory>,
    bytes: usize,
}

impl Memory {
    pub(super) const fn new(bytes: usize) -> Self {
        Self { free: Cell::new(bytes) }
    }

    pub(super) fn share(self: &Rc<Self>) -> Share {
        Share { memory: Rc::clone(self), bytes: 0 }
    }
}

impl Share {
    /// Makes it so many bytes. `false` if there are not as many: then it stays as it was.
    pub(super) fn resize(&mut self, bytes: usize) -> bool {
        let left = (self.memory.free.get() + self.bytes).checked_sub(bytes);
        if let Some(left) = left {
            self.memory.free.set(left);
            self.bytes = bytes;
        }
        left.is_some()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_has_another_has_not() {
        let memory = Rc::new(Memory::new(10));
        let (mut one, mut other) = (memory.share(), memory.share());
        assert!(one.resize(6) && !other.resize(5) && other.resize(4));
        assert!(!one.resize(7) && one.resize(3) && other.resize(7));
        drop(other);
        assert!(one.resize(10));
    }
}
