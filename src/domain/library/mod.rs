//! Lessons on demand: films that staff bring, courses made of them, and how learners watch.
//!
//! A [`film::Film`] is uploaded and imported; a [`course::Course`] puts films into an order; a
//! [`viewing::Viewing`] is one learner in one lesson of a course, to whom [`pacing`] hands media no
//! faster than it can be watched.

pub mod bounds;
pub mod course;
pub mod cut;
pub mod film;
pub mod pacing;
pub mod probe;
pub mod sitting;
pub mod viewing;
