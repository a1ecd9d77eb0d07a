//! The cloud classroom's rules: when a learner is checked, what counts, and who may see why.
//!
//! A [`lesson::Lesson`] is held live by its teacher; each learner in it has an
//! [`attendance::Attendance`]; a committed [`schedule::Seed`] decides the moments of its checks;
//! [`credit::fold`] turns what the server saw into credited and withheld seconds. Every number is
//! data of a [`policy::ClassroomPolicy`].

pub mod attendance;
pub mod chat;
pub mod check;
pub mod credit;
pub mod hours;
pub mod lesson;
pub mod policy;
pub mod quiz;
pub mod redress;
pub mod round;
pub mod schedule;
pub mod simulation;
pub mod solution;
pub mod span;
