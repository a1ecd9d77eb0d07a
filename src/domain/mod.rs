//! Rules without a clock, chance or I/O: every other layer may import this one.
//!
//! An aggregate has `decide(&self, command, now, entropy) -> Result<Vec<Fact>, Refusal>`, which
//! only reads, `apply(&mut self, &Fact)`, which cannot fail, and `next_deadline(&self)`.

pub mod actor;
pub mod announcement;
pub mod audit;
pub mod beijing;
pub mod classroom;
pub mod delivery;
pub mod entropy;
pub mod face;
pub mod fact;
pub mod id;
pub mod interval;
pub mod library;
pub mod limits;
pub mod person;
pub mod policy;
pub mod recording;
pub mod refusal;
pub mod unit;
