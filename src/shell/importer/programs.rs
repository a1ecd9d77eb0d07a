//! What ffmpeg and ffprobe are asked to do.

use std::path::PathBuf;

use crate::domain::library::cut::{CutFile, Rendition, SEGMENT_MS};
use crate::domain::library::probe::{FORMATS, Plan};

/// The two programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// ffmpeg.
    pub cutter: PathBuf,
    /// ffprobe.
    pub probe: PathBuf,
}

/// What both say of a file that somebody sent: it is one of these formats, and names no others.
fn input(name: &str) -> Vec<String> {
    words(&[
        "-protocol_whitelist",
        "file",
        "-format_whitelist",
        FORMATS,
        "-i",
    ])
    .into_iter()
    .chain([format!("file:{name}")])
    .collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Arguments of ffprobe.
pub(super) fn probe_arguments(source: &str) -> Vec<String> {
    let mut arguments = words(&[
        "-hide_banner",
        "-loglevel",
        "error",
        "-threads",
        "1",
        "-show_format",
        "-show_streams",
        "-of",
        "json",
    ]);
    arguments.extend(input(source));
    arguments
}

/// Arguments of ffmpeg. It works in the folder of the import and is told plain names alone.
pub(super) fn cut_arguments(source: &str, plan: &Plan) -> Vec<String> {
    let mut arguments = words(&[
        "-hide_banner",
        "-nostdin",
        "-loglevel",
        "error",
        "-nostats",
        "-progress",
        "pipe:1",
        "-filter_threads",
        "1",
        "-filter_complex_threads",
        "1",
        "-threads",
        "1",
    ]);
    arguments.extend(input(source));
    let pictures = plan.renditions.iter().any(|one| *one != Rendition::Sound);
    if pictures {
        arguments.extend(words(&["-filter_complex", FILTER]));
    }
    for rendition in &plan.renditions {
        arguments.extend(words(match rendition {
            Rendition::Middle => MIDDLE,
            Rendition::Low => LOW,
            Rendition::Sound => &[],
        }));
        if plan.sound {
            arguments.extend(words(match rendition {
                Rendition::Middle => MIDDLE_SOUND,
                Rendition::Low => LOW_SOUND,
                Rendition::Sound => SOUND,
            }));
        }
        arguments.extend(output(*rendition, plan.duration_ms));
    }
    arguments
}

/// Pictures at a steady rate, so that every segment has as many as the others; never larger than
/// they came.
const FILTER: &str = "[0:v:0]fps=25,scale='min(854,iw)':'min(480,ih)':\
    force_original_aspect_ratio=decrease:force_divisible_by=2,setsar=1,format=yuv420p,\
    split=2[middle][more];\
    [more]fps=25/2,scale='min(426,iw)':'min(240,ih)':\
    force_original_aspect_ratio=decrease:force_divisible_by=2[low]";

/// H.264 baseline is what every old phone decodes. A key frame begins every segment: 4 s of 25
/// pictures are 100.
const MIDDLE: &[&str] = &[
    "-map",
    "[middle]",
    "-c:v",
    "libx264",
    "-profile:v",
    "baseline",
    "-preset",
    "veryfast",
    "-threads:v",
    "1",
    "-crf",
    "24",
    "-maxrate",
    "700k",
    "-bufsize",
    "1400k",
    "-g",
    "100",
    "-keyint_min",
    "100",
    "-sc_threshold",
    "0",
];
const LOW: &[&str] = &[
    "-map",
    "[low]",
    "-c:v",
    "libx264",
    "-profile:v",
    "baseline",
    "-preset",
    "veryfast",
    "-threads:v",
    "1",
    "-crf",
    "30",
    "-maxrate",
    "90k",
    "-bufsize",
    "180k",
    "-g",
    "50",
    "-keyint_min",
    "50",
    "-sc_threshold",
    "0",
];
const MIDDLE_SOUND: &[&str] = &[
    "-map", "0:a:0", "-c:a", "aac", "-b:a", "64k", "-ar", "44100", "-ac", "1",
];
const LOW_SOUND: &[&str] = &[
    "-map", "0:a:0", "-c:a", "aac", "-b:a", "24k", "-ar", "22050", "-ac", "1",
];
const SOUND: &[&str] = &[
    "-map", "0:a:0", "-c:a", "aac", "-b:a", "32k", "-ar", "22050", "-ac", "1",
];

fn output(rendition: Rendition, duration_ms: u64) -> Vec<String> {
    let name = rendition.name();
    // A file may say that it is short and not be.
    let seconds = duration_ms / 1_000 + 1;
    let mut arguments = words(&["-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn"]);
    arguments.extend([
        "-t".to_owned(),
        seconds.to_string(),
        "-f".to_owned(),
        "hls".to_owned(),
        "-hls_time".to_owned(),
        (SEGMENT_MS / 1_000).to_string(),
    ]);
    arguments.extend(words(&[
        "-hls_playlist_type",
        "vod",
        "-hls_segment_type",
        "fmp4",
    ]));
    arguments.extend([
        "-hls_fmp4_init_filename".to_owned(),
        CutFile::Opening(rendition).to_string(),
        "-hls_segment_filename".to_owned(),
        format!("{name}-%05d.m4s"),
        CutFile::Playlist(rendition).to_string(),
    ]);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_plain_names_and_no_network() {
        let plan = Plan {
            duration_ms: 20_000,
            renditions: Rendition::ALL.to_vec(),
            sound: true,
        };
        for arguments in [probe_arguments("source"), cut_arguments("source", &plan)] {
            assert!(arguments.iter().all(|word| !word.contains("..")));
            assert!(arguments.iter().all(|word| !word.starts_with('/')));
            let at = arguments.iter().position(|word| word == "-i").unwrap();
            assert_eq!(arguments[at + 1], "file:source");
            assert_eq!(arguments[at - 4..at - 2], ["-protocol_whitelist", "file"]);
        }
        for format in ["hls", "concat", "image2", "dash", "lavfi", "sdp"] {
            assert!(FORMATS.split(',').all(|known| known != format), "{format}");
        }
    }

    #[test]
    fn a_film_without_sound_or_pictures_asks_for_none() {
        let plan = |renditions: &[Rendition], sound| Plan {
            duration_ms: 20_000,
            renditions: renditions.to_vec(),
            sound,
        };
        let silent = cut_arguments("source", &plan(&[Rendition::Middle, Rendition::Low], false));
        assert!(!silent.contains(&"0:a:0".to_owned()));
        let sound = cut_arguments("source", &plan(&[Rendition::Sound], true));
        assert!(!sound.contains(&"-filter_complex".to_owned()));
        assert_eq!(sound.last().unwrap(), "sound.m3u8");
    }
}
