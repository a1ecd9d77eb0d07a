//! The allocator of the C library, kept from holding on to what bursts needed.

/// Blocks from this size on are mappings of their own, bytes, and go back to the system when they
/// are freed. Without a fixed value the first large block that is freed raises it to its own size:
/// after one password was checked, blocks of 19 MiB would stay.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES: libc::c_int = 256 * 1024;

/// Heaps that threads share, so that what one frees another uses; more would keep more.
#[cfg(target_env = "gnu")]
const HEAPS: libc::c_int = 2;

/// Sets the allocator up; call it before there are threads.
#[cfg(target_env = "gnu")]
pub fn tune() {
    // SAFETY: plain settings of the allocator; a value that it does not take changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
}

/// Gives free pages back to the system; takes some milliseconds of one thread.
#[cfg(target_env = "gnu")]
pub fn give_back() {
    // SAFETY: the function takes its own locks and no pointer.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators do as they like.
#[cfg(not(target_env = "gnu"))]
pub fn tune() {}

/// Other allocators do as they like.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}
