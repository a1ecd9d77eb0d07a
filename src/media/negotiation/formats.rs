//! Which offered codecs and header extensions we take, and how we answer them.

use crate::media::command::{Codec, CodecMapping, ExtensionIds, MediaKind};
use crate::media::sdp::{Extension, Format, Section};

/// Wishes of a published track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackOptions {
    /// Audio without discontinuous transmission.
    pub dtx_disabled: bool,
    /// Audio of two channels.
    pub stereo: bool,
    /// Audio without redundancy.
    pub red_disabled: bool,
    /// The codec to send, if not the client's first.
    pub codec: Option<Codec>,
    /// The server looks at the pictures itself, and reads VP8 alone.
    pub is_read: bool,
}

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
const DEPENDENCY: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// Codecs of a section that we take, in its order; none for sections that are not media.
pub fn codecs(section: &Section, kind: MediaKind) -> Vec<CodecMapping> {
    let h264 = h264(section);
    let mut codecs: Vec<CodecMapping> = Vec::new();
    for format in &section.formats {
        let codec = match codec_of(format) {
            Some(Codec::H264) if Some(format.payload_type) != h264 => continue,
            Some(codec) if codec.kind() == kind => codec,
            Some(_) | None => continue,
        };
        if !codecs.iter().any(|known| known.codec == codec) {
            codecs.push(CodecMapping {
                codec,
                payload_type: format.payload_type,
                rtx_payload_type: rtx(section, format.payload_type),
            });
        }
    }
    let opus = codecs.iter().find(|known| known.codec == Codec::Opus);
    let opus = opus.map(|known| known.payload_type);
    codecs.retain(|known| known.codec != Codec::Red || carries(section, known, opus));
    codecs
}

fn codec_of(format: &Format) -> Option<Codec> {
    let is = |name: &str, clock: u32| {
        format.name.eq_ignore_ascii_case(name) && format.clock_rate_hz == clock
    };
    if is("opus", 48_000) && format.channels == 2 {
        Some(Codec::Opus)
    } else if is("red", 48_000) && format.channels == 2 {
        Some(Codec::Red)
    } else if is("VP8", 90_000) {
        Some(Codec::Vp8)
    } else if is("H264", 90_000) && format.parameter("packetization-mode") == Some("1") {
        Some(Codec::H264)
    } else if is("VP9", 90_000) && is_main(format, "profile-id") {
        Some(Codec::Vp9)
    } else if is("AV1", 90_000) && is_main(format, "profile") {
        Some(Codec::Av1)
    } else {
        None
    }
}

/// Of the profile 0, which every decoder has, and which is meant where none is named.
fn is_main(format: &Format, name: &str) -> bool {
    format
        .parameter(name)
        .is_none_or(|profile| profile.trim() == "0")
}

/// The one H.264 format to take: constrained baseline, which every decoder has, before others.
fn h264(section: &Section) -> Option<u8> {
    let candidates = section
        .formats
        .iter()
        .filter(|f| codec_of(f) == Some(Codec::H264));
    let rank = |format: &&Format| {
        let profile = format.parameter("profile-level-id").unwrap_or("420010");
        let profile = profile.get(..4).unwrap_or_default().to_ascii_lowercase();
        match profile.as_str() {
            "42e0" => 0,
            "4200" => 1,
            _ => 2,
        }
    };
    candidates
        .min_by_key(rank)
        .map(|format| format.payload_type)
}

/// Payload type of the retransmissions of another (RFC 4588 section 8.1).
fn rtx(section: &Section, payload_type: u8) -> Option<u8> {
    let apt = payload_type.to_string();
    let mut formats = section.formats.iter();
    let rtx = formats.find(|format| {
        format.name.eq_ignore_ascii_case("rtx") && format.parameter("apt") == Some(apt.as_str())
    });
    rtx.map(|format| format.payload_type)
}

/// Whether a RED format carries Opus (RFC 2198 section 5: `fmtp:63 111/111`).
fn carries(section: &Section, red: &CodecMapping, opus: Option<u8>) -> bool {
    let mut formats = section.formats.iter();
    let Some(format) = formats.find(|format| format.payload_type == red.payload_type) else {
        return false;
    };
    opus.is_some_and(|opus| {
        let blocks = format.parameters.split('/');
        format.parameters.is_empty() || blocks.into_iter().all(|block| block == opus.to_string())
    })
}

/// Puts the codec first that the track wishes, because clients send what the answer has first, and
/// RED before Opus; a track without redundancy loses RED.
pub fn preferred(codecs: &[CodecMapping], options: TrackOptions) -> Vec<CodecMapping> {
    let rank = |known: &CodecMapping| match known.codec {
        codec if Some(codec) == options.codec => 0,
        Codec::Red => 1,
        Codec::Opus | Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => 2,
    };
    let mut codecs = codecs.to_vec();
    codecs.retain(|known| known.codec != Codec::Red || !options.red_disabled);
    // Of a client without VP8 the taps say that they cannot read it.
    if options.is_read && codecs.iter().any(|known| known.codec == Codec::Vp8) {
        codecs.retain(|known| known.codec == Codec::Vp8);
    }
    codecs.sort_by_key(rank);
    codecs
}

/// The answer's formats for codecs taken from an offered section.
pub fn answered(offered: &Section, codecs: &[CodecMapping], options: TrackOptions) -> Vec<Format> {
    let mut formats = Vec::with_capacity(codecs.len() * 2);
    for mapping in codecs {
        let find = |number: u8| {
            offered
                .formats
                .iter()
                .find(move |f| f.payload_type == number)
        };
        let Some(format) = find(mapping.payload_type) else {
            continue;
        };
        let feedback = format.feedback.iter().filter(|value| is_taken(value));
        formats.push(Format {
            parameters: parameters(mapping.codec, format, options),
            feedback: feedback.cloned().collect(),
            ..format.clone()
        });
        if let Some(rtx) = mapping.rtx_payload_type.and_then(find) {
            formats.push(Format {
                feedback: Vec::new(),
                ..rtx.clone()
            });
        }
    }
    formats
}

fn is_taken(feedback: &str) -> bool {
    matches!(feedback, "nack" | "nack pli" | "ccm fir" | "transport-cc")
}

fn parameters(codec: Codec, offered: &Format, options: TrackOptions) -> String {
    match codec {
        Codec::Opus => opus_parameters(options),
        Codec::Red | Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => {
            offered.parameters.clone()
        }
    }
}

/// RFC 7587 section 6.1; 510 kbit/s is Opus's own ceiling and leaves the rate to the sender.
pub fn opus_parameters(options: TrackOptions) -> String {
    let mut parameters = String::from("minptime=10;useinbandfec=1");
    if !options.dtx_disabled {
        parameters.push_str(";usedtx=1");
    }
    if options.stereo {
        parameters.push_str(";stereo=1;sprop-stereo=1;maxaveragebitrate=510000");
    }
    parameters
}

/// Extensions of a section that we take, with their offered ids.
pub fn extensions(section: &Section, kind: MediaKind) -> (Vec<Extension>, ExtensionIds) {
    let mut taken = Vec::new();
    let mut ids = ExtensionIds::default();
    for extension in section
        .extensions
        .iter()
        .filter(|known| known.id <= ONE_BYTE_ID_MAX || known.uri == DEPENDENCY)
    {
        let place = match (kind, extension.uri.as_str()) {
            (_, MID) => &mut ids.mid,
            (_, TRANSPORT_CC) => &mut ids.transport_cc,
            (MediaKind::Audio, AUDIO_LEVEL) => &mut ids.audio_level,
            (MediaKind::Video, PLAYOUT_DELAY) => &mut ids.playout_delay,
            (MediaKind::Video, DEPENDENCY) => &mut ids.dependency,
            (MediaKind::Video, RID) => &mut ids.rid,
            (MediaKind::Video, REPAIRED_RID) => &mut ids.repaired_rid,
            _ => continue,
        };
        if place.is_none() {
            *place = Some(extension.id);
            taken.push(extension.clone());
        }
    }
    (taken, ids)
}

/// Largest id of the one-byte form (RFC 8285 section 4.2).
const ONE_BYTE_ID_MAX: u8 = 14;

/// What we offer on connections that we offer: our own payload types and extension ids.
pub fn offered(kind: MediaKind, options: TrackOptions) -> (Vec<Format>, Vec<Extension>) {
    let extension = |id: u8, uri: &str| Extension {
        id,
        uri: uri.to_owned(),
    };
    let mut extensions = vec![extension(3, TRANSPORT_CC), extension(4, MID)];
    if kind == MediaKind::Video {
        extensions.push(extension(5, PLAYOUT_DELAY));
    }
    let format = |payload_type: u8, name: &str, parameters: &str, feedback: &[&str]| Format {
        payload_type,
        name: name.to_owned(),
        clock_rate_hz: match kind {
            MediaKind::Audio => 48_000,
            MediaKind::Video => 90_000,
        },
        channels: match kind {
            MediaKind::Audio => 2,
            MediaKind::Video => 1,
        },
        parameters: parameters.to_owned(),
        feedback: feedback.iter().map(|value| (*value).to_owned()).collect(),
    };
    let video = ["transport-cc", "ccm fir", "nack", "nack pli"];
    let baseline = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
    let formats = match kind {
        MediaKind::Audio => vec![
            format(
                111,
                "opus",
                &opus_parameters(options),
                &["transport-cc", "nack"],
            ),
            format(63, "red", "111/111", &[]),
        ],
        MediaKind::Video => vec![
            format(96, "VP8", "", &video),
            format(97, "rtx", "apt=96", &[]),
            format(108, "H264", baseline, &video),
            format(109, "rtx", "apt=108", &[]),
            format(98, "VP9", "profile-id=0", &video),
            format(99, "rtx", "apt=98", &[]),
            format(100, "AV1", "", &video),
            format(101, "rtx", "apt=100", &[]),
        ],
    };
    (formats, extensions)
}
