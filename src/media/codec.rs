//! What forwarding must see inside payloads: key frames and the VP8 descriptor (RFC 7741), H.264
//! unit types (RFC 6184), where VP9 (RFC 9628) and AV1 can be entered, and the blocks of redundant
//! audio (RFC 2198).

use super::command::Codec;
use super::rtp::read_u16;

/// What one payload tells; offsets count from its first byte, 0 where the field is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insight {
    /// First packet of a frame that a decoder can start with; always true for audio.
    pub entry: bool,
    /// First packet of a picture, where that is told.
    pub starts: bool,
    /// Of a lower layer that this encoding needs too, so it does not show that the encoding comes.
    pub lends: bool,
    /// The temporal layer of a picture, where it is told.
    pub layer: Option<TemporalLayer>,
    /// Where the VP8 picture id lies.
    pub picture_at: u8,
    /// The picture id has 15 bits, else 7.
    pub picture_wide: bool,
    /// Where the VP8 `TL0PICIDX` lies.
    pub base_layer_at: u8,
    /// Where the primary block of redundant audio begins.
    pub primary_at: u16,
}

/// A picture's place among those of one encoding (RFC 7741 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemporalLayer {
    /// `TID`, 0 to 3: no picture needs one of a higher layer.
    pub id: u8,
    /// `Y`: it needs pictures of layer 0 alone, so who has those may begin its layer here.
    pub sync: bool,
    /// Who has its layer may go up to this one here; no more than its own where none is told.
    pub opens: u8,
}

impl Insight {
    /// Reads a payload; one that makes no sense is told as "nothing to see".
    pub fn of(codec: Codec, payload: &[u8]) -> Self {
        match codec {
            Codec::Opus => Self::audio(0),
            Codec::Red => Self::audio(red_primary(payload).unwrap_or(0)),
            Codec::Vp8 => vp8(payload).unwrap_or_default(),
            Codec::H264 => Self {
                entry: h264_entry(payload),
                ..Self::default()
            },
            Codec::Vp9 => Self {
                entry: vp9_entry(payload).unwrap_or(false),
                ..Self::default()
            },
            Codec::Av1 => Self {
                entry: payload.first().is_some_and(|first| first & 0x88 == 0x08),
                ..Self::default()
            },
        }
    }

    fn audio(primary_at: u16) -> Self {
        Self {
            entry: true,
            primary_at,
            ..Self::default()
        }
    }
}

/// What of a VP8 payload is the frame's: all after the descriptor.
pub fn vp8_body(payload: &[u8]) -> Option<&[u8]> {
    let (_, at) = vp8_descriptor(payload)?;
    payload.get(at..).filter(|body| !body.is_empty())
}

/// The descriptor, then the inverse key frame bit (RFC 7741 section 4.3).
fn vp8(payload: &[u8]) -> Option<Insight> {
    let (mut insight, at) = vp8_descriptor(payload)?;
    insight.entry = payload.get(at)? & 1 == 0 && insight.starts;
    Some(insight)
}

/// RFC 7741 section 4.2, and where it ends.
fn vp8_descriptor(payload: &[u8]) -> Option<(Insight, usize)> {
    let first = *payload.first()?;
    let mut insight = Insight::default();
    let mut at = 1;
    if first & 0x80 != 0 {
        let flags = *payload.get(1)?;
        at = 2;
        if flags & 0x80 != 0 {
            insight.picture_at = at as u8;
            insight.picture_wide = payload.get(at)? & 0x80 != 0;
            at += 1 + usize::from(insight.picture_wide);
        }
        if flags & 0x40 != 0 {
            insight.base_layer_at = at as u8;
            at += 1;
        }
        if flags & 0x30 != 0 {
            let byte = *payload.get(at)?;
            insight.layer = (flags & 0x20 != 0).then_some(TemporalLayer {
                id: byte >> 6,
                sync: byte & 0x20 != 0,
                opens: 0,
            });
            at += 1;
        }
    }
    insight.starts = first & 0x17 == 0x10;
    Some((insight, at))
}

/// RFC 9628 section 4.2: the first packet of a picture that needs none before it, in its lowest
/// spatial layer.
fn vp9_entry(payload: &[u8]) -> Option<bool> {
    let first = *payload.first()?;
    let (predicted, begins) = (first & 0x40 != 0, first & 0x08 != 0);
    if predicted || !begins || first & 0x20 == 0 {
        return Some(!predicted && begins);
    }
    let at = match (first & 0x80 != 0, payload.get(1)? & 0x80 != 0) {
        (false, _) => 1,
        (true, false) => 2,
        (true, true) => 3,
    };
    Some(payload.get(at)? & 0x0e == 0)
}

/// A parameter set or the start of an instantaneous refresh, alone, aggregated or fragmented.
fn h264_entry(payload: &[u8]) -> bool {
    const REFRESH: u8 = 5;
    const PARAMETERS: u8 = 7;
    const AGGREGATE: u8 = 24;
    const FRAGMENT: u8 = 28;
    let is_entry = |unit: u8| matches!(unit & 0x1f, REFRESH | PARAMETERS);
    let Some(&first) = payload.first() else {
        return false;
    };
    match first & 0x1f {
        FRAGMENT => payload
            .get(1)
            .is_some_and(|b| b & 0x80 != 0 && is_entry(*b)),
        AGGREGATE => {
            let mut at = 1;
            while let Some(len) = read_u16(payload, at) {
                if payload.get(at + 2).is_some_and(|unit| is_entry(*unit)) {
                    return true;
                }
                at += 2 + usize::from(len);
            }
            false
        }
        _ => is_entry(first),
    }
}

/// Where the primary block begins, if the block lengths stay inside the payload.
fn red_primary(payload: &[u8]) -> Option<u16> {
    let (mut at, mut redundant) = (0, 0);
    while payload.get(at)? & 0x80 != 0 {
        redundant += usize::from(read_u16(payload, at + 2)? & 0x03ff);
        at += 4;
    }
    let primary = at + 1 + redundant;
    (primary <= payload.len()).then_some(primary as u16)
}

/// Names the subscriber's payload type of Opus in every block header of redundant audio.
pub fn red_rename(payload: &mut [u8], payload_type: u8) {
    let mut at = 0;
    while let Some(byte) = payload.get_mut(at) {
        let more = *byte & 0x80;
        *byte = more | payload_type & 0x7f;
        if more == 0 {
            return;
        }
        at += 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::command::CODECS;
    use crate::media::sample::Chance;

    #[test]
    fn a_vp8_key_frame_is_entered_at_its_first_packet_only() {
        let key = [0x90, 0xe0, 0x81, 0x02, 0x07, 0x20, 0x10];
        let insight = Insight::of(Codec::Vp8, &key);
        assert!(insight.entry);
        assert_eq!((insight.picture_at, insight.picture_wide), (2, true));
        assert_eq!(insight.base_layer_at, 4);
        let mut continued = key;
        continued[0] = 0x80;
        assert!(!Insight::of(Codec::Vp8, &continued).entry);
        let mut second_partition = key;
        second_partition[0] = 0x91;
        assert!(!Insight::of(Codec::Vp8, &second_partition).entry);
        let mut inter = key;
        inter[6] = 0x11;
        assert!(!Insight::of(Codec::Vp8, &inter).entry);
        assert!(Insight::of(Codec::Vp8, &[0x10, 0x00]).entry);
    }

    #[test]
    fn a_temporal_layer_is_read_only_where_it_is_told() {
        let told = |payload: &[u8]| Insight::of(Codec::Vp8, payload).layer;
        let layer = |id, sync| Some(TemporalLayer { id, sync, opens: 0 });
        assert_eq!(told(&[0x90, 0xe0, 0x81, 2, 7, 0x20, 0x10]), layer(0, true));
        assert_eq!(told(&[0x80, 0xe0, 0x81, 2, 7, 0x80, 0x11]), layer(2, false));
        assert_eq!(told(&[0x90, 0xa0, 0x01, 0x60, 0x11]), layer(1, true));
        // The byte has a key index alone.
        assert_eq!(told(&[0x90, 0x90, 0x01, 0xe1, 0x11]), None);
        assert_eq!(told(&[0x90, 0x80, 0x01, 0x11]), None);
        assert!(Insight::of(Codec::Vp8, &[0x90, 0x80, 0x01, 0x11]).starts);
        assert!(!Insight::of(Codec::Vp8, &[0x80, 0x80, 0x01, 0x11]).starts);
    }

    #[test]
    fn an_h264_key_frame_is_entered_at_parameters_or_refresh() {
        for (payload, entry) in [
            (&[0x67, 1][..], true),
            (&[0x65, 1], true),
            (&[0x61, 1], false),
            (&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68], true),
            (&[0x78, 0, 1, 0x68, 0, 2, 0x65, 1], true),
            (&[0x78, 0, 2, 0x61, 1], false),
            (&[0x7c, 0x85], true),
            (&[0x7c, 0x05], false),
            (&[0x7c, 0x81], false),
            (&[], false),
        ] {
            assert_eq!(
                Insight::of(Codec::H264, payload).entry,
                entry,
                "{payload:?}"
            );
        }
    }

    #[test]
    fn a_vp9_or_av1_stream_is_entered_where_nothing_before_is_needed() {
        for (payload, entry) in [
            (&[0x08, 9][..], true),
            (&[0x00, 9], false),
            (&[0x48, 9], false),
            (&[0xa8, 0x81, 2, 0x00, 9], true),
            (&[0xa8, 0x81, 2, 0x12, 9], false),
            (&[0xa8, 0x01, 0x10, 9], true),
            (&[0x28, 0x02, 9], false),
            (&[0xa8, 0x81, 2], false),
            (&[], false),
        ] {
            let found = Insight::of(Codec::Vp9, payload).entry;
            assert_eq!(found, entry, "{payload:?}");
        }
        for (first, entry) in [(0x18, true), (0x98, false), (0x10, false)] {
            assert_eq!(Insight::of(Codec::Av1, &[first, 1]).entry, entry);
        }
    }

    #[test]
    fn redundant_audio_unpacks_to_its_primary_block() {
        let mut payload = vec![0x80 | 111, 0, 0, 3, 111, 1, 2, 3, 9, 9];
        assert_eq!(Insight::of(Codec::Red, &payload).primary_at, 8);
        red_rename(&mut payload, 96);
        assert_eq!(payload[..5], [0x80 | 96, 0, 0, 3, 96]);
        assert_eq!(
            Insight::of(Codec::Red, &[0x80, 0, 3, 0xff, 1]).primary_at,
            0
        );
    }

    #[test]
    fn malformed_payloads_never_panic() {
        let mut chance = Chance::new(2);
        for _ in 0..100_000 {
            let mut payload = chance.bytes(40);
            for codec in CODECS {
                let insight = Insight::of(codec, &payload);
                assert!(usize::from(insight.primary_at) <= payload.len());
                assert!(usize::from(insight.picture_at) <= payload.len());
            }
            red_rename(&mut payload, 1);
        }
    }
}
