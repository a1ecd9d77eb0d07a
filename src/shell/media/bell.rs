//! What wakes a media thread.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Wakes a sleeping thread; ringing again before it woke costs nothing.
pub(super) struct Bell {
    event: OwnedFd,
    rung: AtomicBool,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: a plain system call; the descriptor is ours alone when it succeeds.
        let event = unsafe {
            match libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) {
                -1 => return Err(io::Error::last_os_error()),
                event => OwnedFd::from_raw_fd(event),
            }
        };
        Ok(Self {
            event,
            rung: AtomicBool::new(false),
        })
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            let one = 1_u64.to_ne_bytes();
            // SAFETY: eight bytes that outlive the call. It fails only when the counter is full,
            // and then the thread wakes anyway.
            unsafe { libc::write(self.descriptor(), one.as_ptr().cast(), one.len()) };
        }
    }

    /// Takes the knock, before the orders are looked at, so that none is missed.
    pub(super) fn silence(&self) {
        if self.rung.load(Ordering::Acquire) {
            let mut counter = [0_u8; 8];
            // SAFETY: eight bytes that outlive the call; the descriptor never blocks.
            unsafe {
                libc::read(
                    self.descriptor(),
                    counter.as_mut_ptr().cast(),
                    counter.len(),
                )
            };
            self.rung.swap(false, Ordering::AcqRel);
        }
    }
}
