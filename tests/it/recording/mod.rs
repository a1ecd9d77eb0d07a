//! Recordings: their rules in use, what is written of real media, and what a killed server leaves.

mod killed;
mod media;
mod rules;

use chrono::{DateTime, TimeDelta, Utc};
use mingtang::domain::recording::chain::RecordedCodec;
use mingtang::media::command::Codec;
use mingtang::media::cutter::{Matter, Piece};
use mingtang::media::matroska::{self, Block, TrackHead};
use mingtang::service::recording::Item;

/// A second of sound, a frame each 20 ms, that begins at a time of the recording.
pub fn sound(from_ms: u64) -> Vec<u8> {
    let head = TrackHead::of(Codec::Opus, &[], (0, 0)).unwrap();
    let blocks: Vec<Block> = (0..50)
        .map(|frame| Block {
            track: 1,
            at_ms: from_ms + frame * 20,
            is_key: true,
            data: vec![0xf8, frame as u8].into(),
        })
        .collect();
    matroska::write(&[head], &blocks).unwrap()
}

/// A piece of somebody's microphone.
pub fn piece(identity: &str, opened_at: DateTime<Utc>, to_ms: i64, matter: Matter) -> Item {
    Item {
        identity: identity.to_owned(),
        source: "microphone".to_owned(),
        opened_at,
        piece: Piece {
            to: opened_at + TimeDelta::milliseconds(to_ms),
            matter,
        },
        is_live: true,
    }
}

/// A second of sound as a segment.
pub fn segment(from_ms: u64) -> Matter {
    Matter::Segment {
        codec: RecordedCodec::Opus,
        independent: true,
        file: sound(from_ms),
    }
}
