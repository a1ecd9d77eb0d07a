//! The rules of attendance, played by hand.

mod checks;
mod play;
mod presence;
