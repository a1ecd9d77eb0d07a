//! Layer `hub`.
