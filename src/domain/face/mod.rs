//! Face checks: what a server may conclude from pictures of a person, and what it may not.
//!
//! None of this stops a good virtual camera or a forged video. Results are evidence for a person.

pub mod action;
pub mod calibration;
pub mod capture;
pub mod check;
pub mod decision;
pub mod enrolment;
pub mod finding;
pub mod geometry;
pub mod hash;
pub mod keyframe;
pub mod message;
pub mod quality;
pub mod template;
pub mod watch;
