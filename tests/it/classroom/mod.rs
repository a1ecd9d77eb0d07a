//! A class with its learners, on a real database and by a clock played by hand.

mod chat;
pub mod class;
mod evidence;
mod faces;
mod outage;
mod pack;
mod quiz;
mod redress;
mod reports;
mod room;
mod rounds;
mod rules;
