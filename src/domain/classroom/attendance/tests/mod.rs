//! The rules of attendance, played by hand.

mod checks;
mod face;
mod play;
mod presence;
