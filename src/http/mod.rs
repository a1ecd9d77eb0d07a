//! Layer `http`.
