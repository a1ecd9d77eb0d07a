//! Lessons on demand: uploads, imports by the real ffmpeg, and playing by a clock played by hand.

mod imports;
mod killed;
mod playing;
mod study;
mod tus;
mod uploads;
