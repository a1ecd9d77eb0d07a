//! A class with its learners, on a real database and by a clock played by hand.

mod class;
mod evidence;
mod faces;
mod outage;
mod pack;
mod redress;
mod quiz;
mod room;
mod rules;
