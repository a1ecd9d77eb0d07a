//! Face checks: what a server may conclude from pictures of a person, and what it may not.

pub mod finding;
