//! What a look at an uploaded file found, and whether it may be imported.

use serde::Deserialize;

use super::bounds::LibraryBounds;
use super::cut::{Rendition, SEGMENT_MS, SEGMENTS_MAX};
use super::film::Unfit;

/// Containers that are looked into. Formats that name other files (playlists, lists of files,
/// pictures by pattern) are not among them: a hostile file would have the server read its own disk.
pub const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,\
                           mp3,wav,ogg,flac,aac,amr";

/// What ffprobe says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// How long it plays, milliseconds.
    pub duration_ms: Option<u64>,
    /// Width and height of its picture, pixels.
    pub picture: Option<(u32, u32)>,
    /// Whether it has sound.
    pub sound: bool,
}

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    format: Format,
    #[serde(default)]
    streams: Vec<Stream>,
}

#[derive(Default, Deserialize)]
struct Format {
    duration: Option<String>,
}

#[derive(Deserialize)]
struct Stream {
    codec_type: Option<String>,
    codec_name: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    #[serde(default)]
    disposition: Disposition,
}

#[derive(Default, Deserialize)]
struct Disposition {
    #[serde(default)]
    attached_pic: u8,
}

impl Probe {
    /// Reads the JSON of `ffprobe -show_format -show_streams`; `None` when it is none.
    pub fn read(json: &[u8]) -> Option<Self> {
        let report: Report = serde_json::from_slice(json).ok()?;
        let of_kind = |kind: &'static str| {
            let known = |stream: &&Stream| {
                stream.codec_type.as_deref() == Some(kind) && stream.codec_name.is_some()
            };
            report.streams.iter().filter(known)
        };
        // A song's cover is a stream of one picture.
        let picture = of_kind("video").find(|stream| stream.disposition.attached_pic == 0);
        let seconds = report.format.duration.and_then(|text| text.parse().ok());
        let seconds = seconds.filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
        Some(Self {
            duration_ms: seconds.map(|seconds| (seconds * 1_000.0) as u64),
            picture: picture.map(|stream| (stream.width.unwrap_or(0), stream.height.unwrap_or(0))),
            sound: of_kind("audio").next().is_some(),
        })
    }

    /// Which renditions to make of it, the best first, or why none.
    ///
    /// # Errors
    /// When it is no film, or one beyond the bounds.
    pub fn plan(&self, bounds: &LibraryBounds) -> Result<Plan, Unfit> {
        let duration_ms = self.duration_ms.ok_or(Unfit::NotMedia)?;
        if self.picture.is_none() && !self.sound {
            return Err(Unfit::NotMedia);
        }
        if duration_ms < bounds.film_ms_min {
            return Err(Unfit::TooShort);
        }
        if duration_ms > bounds.film_ms_max || duration_ms / SEGMENT_MS >= SEGMENTS_MAX {
            return Err(Unfit::TooLong);
        }
        let mut renditions = Vec::new();
        if let Some((width, height)) = self.picture {
            let pixels = u64::from(width) * u64::from(height);
            let odd = width.min(height) < 16 || width.max(height) > bounds.side_max;
            if odd || pixels > bounds.pixels_max {
                return Err(Unfit::Dimensions);
            }
            renditions.extend([Rendition::Middle, Rendition::Low]);
        }
        renditions.extend(self.sound.then_some(Rendition::Sound));
        Ok(Plan {
            duration_ms,
            renditions,
            sound: self.sound,
        })
    }
}

/// What an import has to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How long the film plays, milliseconds.
    pub duration_ms: u64,
    /// What to make, the best first.
    pub renditions: Vec<Rendition>,
    /// Whether pictures come with sound.
    pub sound: bool,
}

/// How far an import is by a line of `ffmpeg -progress`, in percent; 99 until it is stored.
pub fn percent(line: &str, duration_ms: u64) -> Option<u8> {
    let micros: u64 = line.strip_prefix("out_time_us=")?.trim().parse().ok()?;
    let percent = micros / 10 / duration_ms.max(1);
    u8::try_from(percent.min(99)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film() -> Probe {
        Probe {
            duration_ms: Some(60_000),
            picture: Some((1920, 1080)),
            sound: true,
        }
    }

    #[test]
    fn what_ffprobe_says_is_read_without_covers_and_unknown_streams() {
        let json = br#"{"streams": [
            {"codec_type": "video", "codec_name": "mjpeg", "width": 600, "height": 600,
             "disposition": {"attached_pic": 1}},
            {"codec_type": "audio", "codec_name": "mp3"}, {"codec_type": "data"}],
            "format": {"duration": "61.250000"}}"#;
        let expected = Probe {
            duration_ms: Some(61_250),
            picture: None,
            sound: true,
        };
        assert_eq!(Probe::read(json), Some(expected));
        assert_eq!(Probe::read(b"<html>"), None);
    }

    #[test]
    fn a_film_beyond_the_bounds_is_told_why() {
        let bounds = LibraryBounds::default();
        let plan = |change: &dyn Fn(&mut Probe)| {
            let mut probe = film();
            change(&mut probe);
            probe.plan(&bounds).map(|plan| plan.renditions)
        };
        assert_eq!(plan(&|_| {}), Ok(Rendition::ALL.to_vec()));
        assert_eq!(plan(&|p| p.picture = None), Ok(vec![Rendition::Sound]));
        assert_eq!(plan(&|p| p.duration_ms = None), Err(Unfit::NotMedia));
        assert_eq!(
            plan(&|p| (p.picture, p.sound) = (None, false)),
            Err(Unfit::NotMedia)
        );
        assert_eq!(
            plan(&|p| p.duration_ms = Some(7 * 3_600_000)),
            Err(Unfit::TooLong)
        );
        assert_eq!(plan(&|p| p.duration_ms = Some(200)), Err(Unfit::TooShort));
        for sides in [(16_384, 64), (8_000, 8_000), (4, 4), (0, 0)] {
            assert_eq!(plan(&|p| p.picture = Some(sides)), Err(Unfit::Dimensions));
        }
    }

    #[test]
    fn progress_never_reads_whole_before_the_end() {
        assert_eq!(percent("out_time_us=30000000", 60_000), Some(50));
        assert_eq!(percent("out_time_us=90000000", 60_000), Some(99));
        assert_eq!(percent("out_time_us=N/A", 60_000), None);
        assert_eq!(percent("frame=12", 60_000), None);
    }
}
