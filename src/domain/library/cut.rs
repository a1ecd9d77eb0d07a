//! What an import makes of a film: segments of equal length, in a few renditions.
//!
//! A rendition `r` has a playlist `r.m3u8`, an opening `r-init.mp4` and segments `r-00000.m4s`
//! (CMAF in the sense of ISO/IEC 23000-19, listed as in RFC 8216). Segment `n` of every rendition
//! holds the media from `n` times [`SEGMENT_MS`] to the next.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::pacing::MediaSpan;

/// Length of a segment, milliseconds: of 25 and of 12.5 pictures a second it holds whole ones.
pub const SEGMENT_MS: u64 = 4_000;
/// Most segments of a film.
pub const SEGMENTS_MAX: u64 = 99_999;

/// One way to play a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rendition {
    /// At most 854×480, about 700 kbit/s.
    Middle,
    /// At most 426×240 at 12.5 pictures a second, about 120 kbit/s: for a phone with 150.
    Low,
    /// Sound alone, 32 kbit/s.
    Sound,
}

impl Rendition {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::Middle, Self::Low, Self::Sound];

    /// The name in files and addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Middle => "middle",
            Self::Low => "low",
            Self::Sound => "sound",
        }
    }

    /// Most bits a second, for the master playlist.
    pub fn bits_max(self) -> u32 {
        match self {
            Self::Middle => 900_000,
            Self::Low => 140_000,
            Self::Sound => 40_000,
        }
    }
}

/// An imported film.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// How long it plays, milliseconds.
    pub duration_ms: u64,
    /// What there is of it, the best first; never empty.
    pub renditions: Vec<Rendition>,
    /// All files together, bytes.
    pub bytes: u64,
    /// SHA-256 over the lines `NAME SHA256` of all files, sorted by name, hexadecimal.
    pub manifest: String,
}

impl Cut {
    /// The media that a segment holds, as far as the film goes; `None` beyond its end.
    pub fn span(&self, segment: u64) -> Option<MediaSpan> {
        let from_ms = segment.checked_mul(SEGMENT_MS)?;
        // The sound of the last moment may need a segment more.
        let last = self.duration_ms.div_ceil(SEGMENT_MS);
        (segment <= last).then(|| MediaSpan {
            from_ms: from_ms.min(self.duration_ms),
            to_ms: (from_ms + SEGMENT_MS).min(self.duration_ms),
        })
    }

    /// The playlist of playlists (RFC 8216 section 4.3.4). A browser plays pictures or sound
    /// alone, never one after the other: so sound has a master of its own, which is its playlist.
    pub fn master(&self) -> String {
        let pictures: Vec<Rendition> = self
            .renditions
            .iter()
            .copied()
            .filter(|rendition| *rendition != Rendition::Sound)
            .collect();
        let shown = if pictures.is_empty() {
            &self.renditions
        } else {
            &pictures
        };
        let lines = shown.iter().map(|rendition| {
            format!(
                "#EXT-X-STREAM-INF:BANDWIDTH={}\n{}.m3u8\n",
                rendition.bits_max(),
                rendition.name()
            )
        });
        format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n{}",
            lines.collect::<String>()
        )
    }
}

/// One file of an imported film. The name that a client asks for never becomes part of a path:
/// it is read into this, and the path is made of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutFile {
    /// The playlist of playlists.
    Master,
    /// The playlist of a rendition.
    Playlist(Rendition),
    /// What comes before its segments.
    Opening(Rendition),
    /// A segment, from 0.
    Segment(Rendition, u64),
}

impl std::fmt::Display for CutFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Master => write!(f, "master.m3u8"),
            Self::Playlist(rendition) => write!(f, "{}.m3u8", rendition.name()),
            Self::Opening(rendition) => write!(f, "{}-init.mp4", rendition.name()),
            Self::Segment(rendition, number) => write!(f, "{}-{number:05}.m4s", rendition.name()),
        }
    }
}

/// How long a playlist of segments plays, milliseconds, and how many there are.
pub fn playlist(text: &str) -> (u64, u64) {
    let seconds = text.lines().filter_map(|line| {
        let length = line.strip_prefix("#EXTINF:")?.split(',').next()?;
        length
            .parse()
            .ok()
            .filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)
    });
    let (total, count) = seconds.fold((0.0, 0), |(total, count), one| (total + one, count + 1));
    ((total * 1_000.0) as u64, count)
}

/// No file of an imported film has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no file of a film")]
pub struct NoCutFile;

impl FromStr for CutFile {
    type Err = NoCutFile;

    fn from_str(name: &str) -> Result<Self, NoCutFile> {
        if name == "master.m3u8" {
            return Ok(Self::Master);
        }
        let named = Rendition::ALL.into_iter().find_map(|rendition| {
            let rest = name.strip_prefix(rendition.name())?;
            Some((rendition, rest))
        });
        let (rendition, rest) = named.ok_or(NoCutFile)?;
        match rest {
            ".m3u8" => Ok(Self::Playlist(rendition)),
            "-init.mp4" => Ok(Self::Opening(rendition)),
            _ => {
                let digits = rest.strip_prefix('-').and_then(|r| r.strip_suffix(".m4s"));
                let digits = digits.filter(|text| {
                    text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit())
                });
                let number = digits.and_then(|text| text.parse().ok());
                Ok(Self::Segment(rendition, number.ok_or(NoCutFile)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written_and_nothing_else_is_a_file() {
        for file in [
            CutFile::Master,
            CutFile::Playlist(Rendition::Low),
            CutFile::Opening(Rendition::Sound),
            CutFile::Segment(Rendition::Middle, 17),
        ] {
            assert_eq!(file.to_string().parse(), Ok(file));
        }
        for name in [
            "",
            "../middle.m3u8",
            "middle-1.m4s",
            "middle-00001.m4s/..",
            "middle-+0001.m4s",
            "high.m3u8",
            "low",
        ] {
            assert_eq!(name.parse::<CutFile>(), Err(NoCutFile), "{name}");
        }
    }

    #[test]
    fn a_playlist_tells_how_long_it_is() {
        let text = "#EXTM3U\n#EXTINF:4.000000,\nlow-00000.m4s\n#EXTINF:2.5,\nlow-00001.m4s\n";
        assert_eq!(playlist(text), (6_500, 2));
        assert_eq!(playlist("#EXTINF:x,\n#EXTINF:-1,\n"), (0, 0));
    }

    #[test]
    fn the_last_segment_ends_with_the_film() {
        let cut = Cut {
            duration_ms: 9_500,
            renditions: vec![Rendition::Sound],
            bytes: 0,
            manifest: String::new(),
        };
        let span = |from_ms, to_ms| Some(MediaSpan { from_ms, to_ms });
        assert_eq!(cut.span(0), span(0, 4_000));
        assert_eq!(cut.span(2), span(8_000, 9_500));
        assert_eq!(cut.span(3), span(9_500, 9_500));
        assert_eq!(cut.span(4), None);
        assert!(cut.master().ends_with("sound.m3u8\n"));
    }
}
