//! How much memory all recordings may take while they wait for the end of a segment or for the
//! disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of all recordings that are not on the disk yet; beyond it frames become gaps.
const BYTES_MAX: usize = 512 * 1024 * 1024;

/// The bytes in use; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(Arc<AtomicUsize>);

impl Budget {
    pub(super) fn take(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) > BYTES_MAX
    }
}

/// What one track has of it.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    bytes: usize,
}

impl Share {
    pub(super) fn of(budget: &Budget) -> Self {
        Self {
            budget: budget.clone(),
            bytes: 0,
        }
    }

    pub(super) fn set(&mut self, bytes: usize) {
        self.budget.take(bytes);
        self.budget.give(std::mem::replace(&mut self.bytes, bytes));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_track_had_is_given_back_with_it() {
        let budget = Budget::default();
        let mut share = Share::of(&budget);
        share.set(BYTES_MAX + 1);
        assert!(budget.is_spent());
        share.set(5);
        assert!(!budget.is_spent());
        drop(share);
        assert_eq!(budget.0.load(Ordering::Relaxed), 0);
    }
}
