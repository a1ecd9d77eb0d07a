//! Tracks that are cut by hand.

use proptest::prelude::*;

use super::*;

const MS: TimeDelta = TimeDelta::milliseconds(1);

fn began() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

/// A track whose frames are made up, and what was told of it.
struct Played {
    cutter: Cutter,
    kind: MediaKind,
    now: DateTime<Utc>,
    timestamp: u32,
    frames: u32,
    pieces: Vec<Piece>,
}

impl Played {
    fn new(kind: MediaKind) -> Self {
        Self {
            cutter: Cutter::new(kind, (0, 0), began(), began(), GapCause::Off),
            kind,
            now: began(),
            timestamp: 4_294_900_000,
            frames: 0,
            pieces: Vec::new(),
        }
    }

    fn pass(&mut self, time: TimeDelta) {
        self.now += time;
        let rate = match self.kind {
            MediaKind::Audio => 48,
            MediaKind::Video => 90,
        };
        let ticks = time.num_milliseconds() * rate;
        self.timestamp = self.timestamp.wrapping_add(ticks as u32);
    }

    fn frame(&mut self, is_key: bool, after_gap: bool) {
        self.frame_captured(is_key, after_gap, None);
    }

    fn frame_captured(&mut self, is_key: bool, after_gap: bool, captured: Option<DateTime<Utc>>) {
        self.frames += 1;
        let number = self.frames.to_be_bytes();
        let (codec, data) = match self.kind {
            MediaKind::Audio => (Codec::Opus, [&[0xf8][..], &number].concat()),
            MediaKind::Video => {
                let tag = [0x10, 2, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0];
                (Codec::Vp8, [&tag[..], &number].concat())
            }
        };
        self.cutter.handle_frame(&Heard {
            at: self.now,
            captured,
            after_gap,
            codec,
            is_key: is_key || self.kind == MediaKind::Audio,
            timestamp: self.timestamp,
            data: data.into(),
        });
        self.drain();
    }

    fn timeout(&mut self) {
        self.cutter.handle_timeout(self.now);
        self.drain();
    }

    fn silence(&mut self, cause: GapCause) {
        self.cutter.handle_silence(self.now, cause);
        self.drain();
    }

    fn finish(&mut self) {
        self.cutter.finish(self.now, GapCause::Off);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(piece) = self.cutter.poll_piece() {
            self.pieces.push(piece);
        }
    }

    /// Each piece as from, to and cause, in milliseconds; files as `None`.
    fn told(&self) -> Vec<(i64, i64, Option<GapCause>)> {
        let mut from = 0;
        let pieces = self.pieces.iter().map(|piece| {
            let to = (piece.to - began()).num_milliseconds();
            let gap = match &piece.matter {
                Matter::Gap(cause) => Some(*cause),
                Matter::Segment { .. } => None,
            };
            let told = (from, to, gap);
            from = to;
            told
        });
        pieces.collect()
    }

    fn blocks(&self) -> Vec<(bool, Vec<Block>)> {
        let files = self.pieces.iter().filter_map(|piece| match &piece.matter {
            Matter::Segment {
                file, independent, ..
            } => Some((*independent, matroska::read(file).unwrap().1)),
            Matter::Gap(_) => None,
        });
        files.collect()
    }
}

#[test]
fn pictures_are_cut_where_a_key_frame_comes_that_was_asked_for() {
    let mut played = Played::new(MediaKind::Video);
    played.frame(true, false);
    for _ in 0..1_000 {
        played.pass(MS * 40);
        let wanted = played.cutter.wants_key_frame(played.now);
        played.frame(wanted, false);
        played.timeout();
    }
    played.finish();
    let told = played.told();
    assert_eq!(told[0], (0, 8_000, None));
    assert!(
        told.iter()
            .all(|(from, to, gap)| to - from <= 8_000 && gap.is_none())
    );
    assert!(
        played
            .blocks()
            .iter()
            .all(|(independent, blocks)| *independent && blocks[0].is_key)
    );
    let frames: usize = played.blocks().iter().map(|(_, blocks)| blocks.len()).sum();
    assert_eq!(frames, 1_001);
    // Times count from the recording's beginning, in every file.
    assert_eq!(played.blocks()[1].1[0].at_ms, 8_000);
}

#[test]
fn a_segment_without_a_key_frame_ends_at_ten_seconds_and_the_next_says_that_it_depends_on_it() {
    let mut played = Played::new(MediaKind::Video);
    played.frame(true, false);
    for _ in 0..600 {
        played.pass(MS * 40);
        played.frame(false, false);
        played.timeout();
    }
    played.finish();
    assert_eq!(played.told()[0], (0, 10_000, None));
    let independent: Vec<bool> = played.blocks().iter().map(|(is, _)| *is).collect();
    assert_eq!(independent, [true, false, false]);
}

#[test]
fn a_standing_picture_ends_its_segment_in_time_and_a_silent_track_becomes_a_gap() {
    let mut played = Played::new(MediaKind::Video);
    played.frame(true, false);
    for _ in 0..3 {
        played.pass(MS * 4_000);
        played.timeout();
        played.frame(false, false);
    }
    for _ in 0..160 {
        played.pass(MS * 500);
        played.timeout();
    }
    let gap = Some(GapCause::Transport);
    let told = played.told();
    assert_eq!(
        told,
        [
            (0, 10_000, None),
            (10_000, 12_100, None),
            (12_100, 32_500, gap),
            (32_500, 52_500, gap),
            (52_500, 72_500, gap)
        ]
    );
    played.frame(false, true);
    played.frame(true, true);
    assert_eq!(played.told()[5], (72_500, 92_000, gap));
}

#[test]
fn an_encoding_with_a_clock_of_its_own_goes_on_without_a_gap() {
    let mut played = Played::new(MediaKind::Video);
    played.frame(true, false);
    for other_clock in [false, true, false] {
        played.pass(MS * 40);
        if other_clock {
            played.timestamp = played.timestamp.wrapping_add(3_000_000_000);
        }
        played.frame(other_clock, false);
    }
    played.pass(MS * 40);
    played.finish();
    assert_eq!(played.told(), [(0, 80, None), (80, 160, None)]);
    let times = played.blocks();
    let times = times
        .iter()
        .flat_map(|(_, blocks)| blocks.iter().map(|block| block.at_ms));
    assert!(times.eq([0, 40, 80, 120]));
}

#[test]
fn a_short_loss_stays_in_the_segment_and_a_long_one_is_a_gap() {
    let mut played = Played::new(MediaKind::Audio);
    for (pause, after_gap) in [
        (20, false),
        (400, true),
        (20, false),
        (1_500, true),
        (20, false),
    ] {
        played.pass(MS * pause);
        played.frame(true, after_gap);
    }
    played.finish();
    let (off, lost) = (Some(GapCause::Off), Some(GapCause::Transport));
    assert_eq!(
        played.told(),
        [
            (0, 20, off),
            (20, 540, None),
            (540, 1_940, lost),
            (1_940, 1_960, None)
        ]
    );
}

#[test]
fn what_staff_and_owners_switch_off_is_told_as_such() {
    let mut played = Played::new(MediaKind::Audio);
    played.frame(true, false);
    played.pass(MS * 20);
    played.silence(GapCause::Paused);
    played.pass(MS * 5_000);
    played.silence(GapCause::Off);
    played.pass(MS * 500_000);
    played.timeout();
    played.frame(true, false);
    played.pass(MS * 20);
    played.finish();
    let (paused, off) = (Some(GapCause::Paused), Some(GapCause::Off));
    let told = played.told();
    assert_eq!(
        told[..3],
        [(0, 20, None), (20, 5_020, paused), (5_020, 505_020, off)]
    );
    assert_eq!(told[3], (505_020, 505_040, None));
}

#[test]
fn sound_and_picture_meet_where_their_publisher_says_that_they_were_captured_together() {
    // Sound arrives 20 ms after it was captured, pictures 300 ms; reports tell it after 2 s.
    let mut starts = Vec::new();
    for (kind, late) in [(MediaKind::Audio, 20), (MediaKind::Video, 300)] {
        let mut played = Played::new(kind);
        played.now += MS * late;
        for frame in 0..600 {
            let captured = (frame > 100).then(|| played.now - MS * late);
            played.frame_captured(frame % 100 == 0, false, captured);
            played.pass(MS * 20);
        }
        played.finish();
        let blocks = played.blocks();
        let first = &blocks.last().unwrap().1[0];
        let number = first.data[first.data.len() - 4..].try_into().unwrap();
        let captured_ms = i64::from(u32::from_be_bytes(number) - 1) * 20;
        starts.push(first.at_ms as i64 - captured_ms);
    }
    assert!(starts.iter().all(|off| off.abs() <= 40), "{starts:?}");
}

#[test]
fn the_end_of_a_picture_is_not_before_its_segments_beginning() {
    let mut played = Played::new(MediaKind::Video);
    played.frame(true, false);
    played.now -= MS * 200;
    played.silence(GapCause::TapLost);
    played.finish();
    assert_eq!(played.told(), [(0, 0, None)]);
}

proptest! {
    #[test]
    fn pieces_leave_no_time_out_and_lose_no_frame_that_can_be_decoded(
        is_sound in any::<bool>(),
        acts in proptest::collection::vec((0..12, 1_i64..700), 1..300),
    ) {
        let kind = if is_sound { MediaKind::Audio } else { MediaKind::Video };
        let mut played = Played::new(kind);
        let (mut given, mut decodable) = (0, false);
        for (act, pause) in acts {
            played.pass(MS * pause as i32);
            match act {
                0 => { played.silence(GapCause::TapLost); decodable = false; }
                1 => { played.silence(GapCause::Off); decodable = false; }
                2 => { played.pass(TimeDelta::seconds(7)); played.timeout(); decodable = false; }
                3 => { played.frame(true, true); given += 1; decodable = true; }
                4 | 5 => { played.frame(true, false); given += 1; decodable = true; }
                _ => {
                    played.frame(false, false);
                    given += u32::from(decodable || is_sound);
                    decodable |= is_sound;
                }
            }
            played.timeout();
        }
        played.finish();
        prop_assert_eq!(played.cutter.covered_to(), played.now);
        let mut before = 0;
        for (from, to, gap) in played.told() {
            prop_assert!(from == before && to >= from);
            prop_assert!(gap.is_some() || to - from <= 10_000 + 700, "{} to {}", from, to);
            before = to;
        }
        let mut kept = 0;
        for (independent, blocks) in played.blocks() {
            prop_assert_eq!(independent, blocks[0].is_key);
            prop_assert!(blocks.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms));
            kept += blocks.len() as u32;
        }
        prop_assert_eq!(kept, given);
    }
}
