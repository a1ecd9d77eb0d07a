//! What ill-meaning and broken clients send to whole servers: a clear answer or silence, and
//! nobody else is harmed.

mod connections;
mod json;
mod media_door;
mod media_port;
mod signalling;
