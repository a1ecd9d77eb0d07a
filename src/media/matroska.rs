//! Sound and pictures in Matroska (RFC 9559) as they were sent, never transcoded: WebM where all of
//! it is Opus and VP8, because WebM has no H.264.
//!
//! A file is whole in memory: a segment of a recording has ten seconds. Times are milliseconds from
//! the recording's beginning, also in its later segments, so that a player that is given several
//! puts each in its place.

use bytes::Bytes;
use webm_iterable::errors::{TagIteratorError, TagWriterError, WebmCoercionError};
use webm_iterable::matroska_spec::{Master, MatroskaSpec as Tag, SimpleBlock};
use webm_iterable::{WebmIterator, WebmWriter, WriteOptions};

use super::command::Codec;

/// Blocks of one cluster lie within so many milliseconds: their times are of 16 bits.
const CLUSTER_MS_MAX: u64 = 30_000;
/// Nanoseconds of a unit of time.
const SCALE_NS: u64 = 1_000_000;
/// The head of a segment without an end: its id and its size, which is told to be unknown.
const SEGMENT_HEAD_BYTES: usize = 4 + 8;
/// A decoder of Opus that begins in the midst is right after so many nanoseconds (RFC 7845
/// section 4.6).
const OPUS_PREROLL_NS: u64 = 80_000_000;
/// Track types of RFC 9559 section 5.1.4.1.3.
const PICTURES: u64 = 1;
const SOUND: u64 = 2;

/// How a track is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackHead {
    /// [`Codec::Opus`], [`Codec::Vp8`] or [`Codec::H264`].
    pub codec: Codec,
    /// Pixels; zero for sound.
    pub width: u32,
    /// Pixels; zero for sound.
    pub height: u32,
    /// What the decoder is told beforehand.
    pub private: Vec<u8>,
}

/// A frame in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Number of its track, from 1, in the order of the heads.
    pub track: u64,
    /// Milliseconds from the recording's beginning.
    pub at_ms: u64,
    /// A decoder can start here.
    pub is_key: bool,
    /// The frame.
    pub data: Bytes,
}

/// A file could not be written: a bug, for writing to memory does not fail.
#[derive(Debug, thiserror::Error)]
#[error("a recording's file cannot be made")]
pub struct Unwritable(#[from] TagWriterError);

/// A file is not one of ours.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is no Matroska.
    #[error("this is no file of a recording")]
    Tags(#[from] TagIteratorError),
    /// A block makes no sense.
    #[error("this is no file of a recording")]
    Block(#[from] WebmCoercionError),
    /// A part is not there, or of another kind than we write.
    #[error("this is no file of a recording: {0}")]
    Content(&'static str),
}

impl TrackHead {
    /// Of a track that begins with this frame, which must be a key frame; `announced` are the
    /// pixels that its publisher told, for codecs whose frames do not say them plainly.
    pub fn of(codec: Codec, key_frame: &[u8], announced: (u32, u32)) -> Option<Self> {
        let ((width, height), private) = match codec {
            Codec::Opus | Codec::Red => ((0, 0), opus_head()),
            Codec::Vp8 => (vp8_size(key_frame)?, Vec::new()),
            Codec::H264 => (announced, h264_configuration(key_frame)?),
            Codec::Vp9 | Codec::Av1 => return None,
        };
        let codec = if codec == Codec::Red {
            Codec::Opus
        } else {
            codec
        };
        Some(Self {
            codec,
            width,
            height,
            private,
        })
    }

    fn is_webm(&self) -> bool {
        matches!(self.codec, Codec::Opus | Codec::Vp8)
    }

    fn entry(&self, number: u64) -> Tag {
        let name = match self.codec {
            Codec::Opus | Codec::Red => "A_OPUS",
            Codec::Vp8 => "V_VP8",
            Codec::H264 => "V_MPEG4/ISO/AVC",
            Codec::Vp9 => "V_VP9",
            Codec::Av1 => "V_AV1",
        };
        let mut tags = vec![
            Tag::TrackNumber(number),
            Tag::TrackUID(number),
            Tag::FlagLacing(0),
            Tag::CodecID(name.to_owned()),
        ];
        if !self.private.is_empty() {
            tags.push(Tag::CodecPrivate(self.private.clone()));
        }
        if self.codec == Codec::Opus {
            tags.extend([
                Tag::TrackType(SOUND),
                Tag::SeekPreRoll(OPUS_PREROLL_NS),
                Tag::Audio(Master::Full(vec![
                    Tag::SamplingFrequency(48_000.0),
                    Tag::Channels(2),
                ])),
            ]);
        } else {
            tags.extend([
                Tag::TrackType(PICTURES),
                Tag::Video(Master::Full(vec![
                    Tag::PixelWidth(self.width.max(1).into()),
                    Tag::PixelHeight(self.height.max(1).into()),
                ])),
            ]);
        }
        Tag::TrackEntry(Master::Full(tags))
    }
}

/// A whole file. Its segment has no size, so that it is begun and gone on with in one way.
///
/// # Errors
/// See [`Unwritable`].
pub fn write(heads: &[TrackHead], blocks: &[Block]) -> Result<Vec<u8>, Unwritable> {
    let mut file = beginning(heads)?;
    file.extend(clusters(blocks)?);
    Ok(file)
}

/// The beginning of a file whose [`clusters`] follow, as many as there will be.
///
/// # Errors
/// See [`Unwritable`].
pub fn beginning(heads: &[TrackHead]) -> Result<Vec<u8>, Unwritable> {
    let is_webm = heads.iter().all(TrackHead::is_webm);
    let kind = if is_webm { "webm" } else { "matroska" };
    let mut writer = WebmWriter::new(Vec::new());
    writer.write(&Tag::Ebml(Master::Full(vec![
        Tag::EbmlVersion(1),
        Tag::EbmlReadVersion(1),
        Tag::EbmlMaxIdLength(4),
        Tag::EbmlMaxSizeLength(8),
        Tag::DocType(kind.to_owned()),
        Tag::DocTypeVersion(4),
        Tag::DocTypeReadVersion(2),
    ])))?;
    let endless = WriteOptions::is_unknown_sized_element();
    writer.write_advanced(&Tag::Segment(Master::Start), endless)?;
    writer.write(&Tag::Info(Master::Full(vec![
        Tag::TimestampScale(SCALE_NS),
        Tag::MuxingApp("Mingtang".to_owned()),
        Tag::WritingApp("Mingtang".to_owned()),
    ])))?;
    let entries = heads.iter().zip(1..);
    let entries = entries.map(|(head, number)| head.entry(number)).collect();
    writer.write(&Tag::Tracks(Master::Full(entries)))?;
    Ok(std::mem::take(writer.get_mut()))
}

/// Frames in the order of their times.
///
/// # Errors
/// See [`Unwritable`].
pub fn clusters(blocks: &[Block]) -> Result<Vec<u8>, Unwritable> {
    let mut writer = WebmWriter::new(Vec::new());
    let endless = WriteOptions::is_unknown_sized_element();
    writer.write_advanced(&Tag::Segment(Master::Start), endless)?;
    let mut rest = blocks;
    while let Some(first) = rest.first() {
        let began_at = first.at_ms;
        let fits = |block: &Block| (began_at..=began_at + CLUSTER_MS_MAX).contains(&block.at_ms);
        let length = rest.iter().position(|block| !fits(block));
        let (cluster, after) = rest.split_at(length.unwrap_or(rest.len()));
        let mut tags = vec![Tag::Timestamp(began_at)];
        tags.extend(cluster.iter().map(|block| {
            // It fits: a cluster ends before it does not.
            let after = i16::try_from(block.at_ms - began_at).unwrap_or(i16::MAX);
            let (data, key) = (&block.data, block.is_key);
            SimpleBlock::new_uncheked(data, block.track, after, false, None, false, key).into()
        }));
        writer.write(&Tag::Cluster(Master::Full(tags)))?;
        rest = after;
    }
    let mut clusters = std::mem::take(writer.get_mut());
    // They go into a segment that is open already.
    clusters.drain(..SEGMENT_HEAD_BYTES.min(clusters.len()));
    Ok(clusters)
}

/// What is in a file that [`write`] made.
///
/// # Errors
/// See [`Unreadable`].
pub fn read(file: &[u8]) -> Result<(Vec<TrackHead>, Vec<Block>), Unreadable> {
    let whole = [Tag::TrackEntry(Master::Start), Tag::Cluster(Master::Start)];
    let (mut heads, mut blocks) = (Vec::new(), Vec::new());
    for tag in WebmIterator::new(file, &whole) {
        #[allow(clippy::wildcard_enum_match_arm, reason = "the rest is not read")]
        match tag? {
            Tag::TrackEntry(entry) => heads.push(read_head(&entry.get_children())?),
            Tag::Cluster(cluster) => read_cluster(&cluster.get_children(), &mut blocks)?,
            _ => {}
        }
    }
    Ok((heads, blocks))
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the rest is not read")]
fn read_head(tags: &[Tag]) -> Result<TrackHead, Unreadable> {
    let mut head = TrackHead {
        codec: Codec::Opus,
        width: 0,
        height: 0,
        private: Vec::new(),
    };
    for tag in tags {
        match tag {
            Tag::CodecID(name) => {
                head.codec = match name.as_str() {
                    "A_OPUS" => Codec::Opus,
                    "V_VP8" => Codec::Vp8,
                    "V_MPEG4/ISO/AVC" => Codec::H264,
                    _ => return Err(Unreadable::Content("the codec is unknown")),
                }
            }
            Tag::CodecPrivate(private) => head.private.clone_from(private),
            Tag::Video(video) => {
                for tag in video.clone().get_children() {
                    match tag {
                        Tag::PixelWidth(width) => head.width = width as u32,
                        Tag::PixelHeight(height) => head.height = height as u32,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(head)
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the rest is not read")]
fn read_cluster(tags: &[Tag], blocks: &mut Vec<Block>) -> Result<(), Unreadable> {
    let mut began_at = None;
    for tag in tags {
        match tag {
            Tag::Timestamp(at) => began_at = Some(*at),
            Tag::SimpleBlock(bytes) => {
                let block = SimpleBlock::try_from(bytes)?;
                let began_at = began_at.ok_or(Unreadable::Content("a cluster has no time"))?;
                blocks.push(Block {
                    track: block.track,
                    at_ms: began_at.saturating_add_signed(block.timestamp.into()),
                    is_key: block.keyframe,
                    data: Bytes::copy_from_slice(block.raw_frame_data()),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// RFC 7845 section 5.1: two channels of 48 kHz, nothing to skip, because a stream is joined in the
/// midst.
fn opus_head() -> Vec<u8> {
    let mut head = b"OpusHead".to_vec();
    head.extend([1, 2, 0, 0]);
    head.extend(48_000_u32.to_le_bytes());
    head.extend([0, 0, 0]);
    head
}

/// RFC 6386 section 9.1.
fn vp8_size(key_frame: &[u8]) -> Option<(u32, u32)> {
    if key_frame.get(3..6)? != [0x9d, 0x01, 0x2a] {
        return None;
    }
    // Two bits of each say how to scale.
    let at = |place: usize| {
        let bytes = key_frame.get(place..)?.first_chunk::<2>()?;
        Some(u32::from(u16::from_le_bytes(*bytes) & 0x3fff))
    };
    Some((at(6)?, at(8)?))
}

/// The decoder configuration record (ISO/IEC 14496-15 section 5.3.3.1) of the parameter sets in a
/// key frame.
fn h264_configuration(key_frame: &[u8]) -> Option<Vec<u8>> {
    const SEQUENCE: u8 = 7;
    const PICTURE: u8 = 8;
    let (mut sequence, mut picture) = (None, None);
    let mut rest = key_frame;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let unit = after.get(..length)?;
        match unit.first()? & 0x1f {
            SEQUENCE => sequence = sequence.or(Some(unit)),
            PICTURE => picture = picture.or(Some(unit)),
            _ => {}
        }
        rest = &after[length..];
    }
    let (sequence, picture) = (sequence?, picture?);
    let mut record = vec![1];
    record.extend(sequence.get(1..4)?);
    record.extend([0xff, 0xe1]);
    for (set, before) in [(sequence, None), (picture, Some(1))] {
        record.extend(before);
        record.extend(u16::try_from(set.len()).ok()?.to_be_bytes());
        record.extend(set);
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::Chance;

    fn block(track: u64, at_ms: u64, is_key: bool, data: &[u8]) -> Block {
        Block {
            track,
            at_ms,
            is_key,
            data: Bytes::copy_from_slice(data),
        }
    }

    const KEY: [u8; 12] = [0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x40, 1, 2];

    #[test]
    fn what_is_written_is_read_again_also_where_lengths_and_times_meet_their_bounds() {
        let mut chance = Chance::new(5);
        let heads = [
            TrackHead::of(Codec::Vp8, &KEY, (0, 0)).unwrap(),
            TrackHead::of(Codec::Red, &[], (0, 0)).unwrap(),
        ];
        assert_eq!((heads[0].width, heads[0].height), (320, 240));
        let mut blocks = vec![block(1, 3_600_000, true, &KEY)];
        // Lengths at which a size of one, two or three bytes would be all ones.
        for length in [100, 122, 123, 124, 16_378, 16_379, 16_380, 2_097_147] {
            let at_ms = blocks.last().unwrap().at_ms + chance.below(20_000) as u64;
            blocks.push(block(1, at_ms, false, &vec![7; length]));
            blocks.push(block(2, at_ms + 1, true, &chance.bytes(80)));
        }
        let file = write(&heads, &blocks).unwrap();
        let (read_heads, read_blocks) = read(&file).unwrap();
        assert_eq!(read_heads, heads);
        assert!(read_blocks == blocks);
        assert_eq!(&file[..4], [0x1a, 0x45, 0xdf, 0xa3]);
        assert!(file.windows(4).any(|part| part == b"webm"));
    }

    #[test]
    fn pictures_of_h264_are_matroska_with_the_parameter_sets_before_them() {
        let units: [&[u8]; 3] = [&[0x67, 0x42, 0xe0, 0x1f, 9], &[0x68, 5], &[0x65, 1]];
        let mut frame = Vec::new();
        for unit in units {
            frame.extend((unit.len() as u32).to_be_bytes());
            frame.extend(unit);
        }
        let head = TrackHead::of(Codec::H264, &frame, (640, 480)).unwrap();
        let record = [
            &[
                1, 0x42, 0xe0, 0x1f, 0xff, 0xe1, 0, 5, 0x67, 0x42, 0xe0, 0x1f, 9,
            ][..],
            &[1, 0, 2, 0x68, 5],
        ];
        assert_eq!(head.private, record.concat());
        let file = write(std::slice::from_ref(&head), &[block(1, 0, true, &frame)]).unwrap();
        assert!(file.windows(8).any(|part| part == b"matroska"));
        assert_eq!(read(&file).unwrap().0, [head]);
        assert!(TrackHead::of(Codec::H264, &frame[..9], (1, 1)).is_none());
        assert!(TrackHead::of(Codec::Vp8, &[0x11; 20], (1, 1)).is_none());
    }

    #[test]
    fn a_damaged_file_is_refused_without_a_panic() {
        let mut chance = Chance::new(9);
        let head = TrackHead::of(Codec::Vp8, &KEY, (0, 0)).unwrap();
        let file = write(&[head], &[block(1, 5, true, &KEY)]).unwrap();
        for _ in 0..2_000 {
            let mut broken = file.clone();
            let place = chance.below(broken.len());
            broken[place] ^= 1 << chance.below(8);
            broken.truncate(chance.below(file.len() + 1));
            let _ = read(&broken);
        }
    }
}
