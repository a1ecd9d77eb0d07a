//! Layer `service`.
