//! `mingtang bench faces`: what one looked-at picture costs on one core, from its key frame (or
//! picture file) to the comparison.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;

use super::report::{Report, Row, percentile_ms, row};
use crate::domain::face::quality::frontal_face;
use crate::service::face::FaceEngine;
use crate::service::face::analyse::analyse;
use crate::service::face::networks::Networks;
use crate::service::face::picture::Picture;
use crate::shell::{calibrate, models};

/// Pictures that are looked at before anything is measured.
const WARM_UP: u32 = 3;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct FacesOptions {
    /// Data directory whose networks are used
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// A picture with one frontal face, JPEG or lossy WebP
    #[arg(long, value_name = "FILE")]
    pub picture: PathBuf,
    /// Pictures that are looked at
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub frames: u32,
    /// Print one line of JSON instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// What was measured, milliseconds of one core.
#[derive(Clone, Debug, Serialize)]
pub struct FacesReport {
    /// Pictures looked at.
    pub frames: u32,
    /// Width of the picture, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// From the file to pixels, middle value.
    pub decode_ms_p50: f64,
    /// Finding faces and their points.
    pub detect_ms_p50: f64,
    /// The face as numbers.
    pub embed_ms_p50: f64,
    /// All of it, with the comparison.
    pub analyse_ms_p50: f64,
    /// All of it.
    pub analyse_ms_p99: f64,
}

impl Report for FacesReport {
    fn rows(&self) -> Vec<Row> {
        vec![
            row("decode, p50", self.decode_ms_p50, "ms"),
            row("detect and landmarks, p50", self.detect_ms_p50, "ms"),
            row("embed, p50", self.embed_ms_p50, "ms"),
            row("whole look, p50", self.analyse_ms_p50, "ms"),
            row("whole look, p99", self.analyse_ms_p99, "ms"),
        ]
    }
}

/// Looks at one picture again and again on this thread.
pub fn run(options: &FacesOptions) -> anyhow::Result<FacesReport> {
    let networks = models::networks(&options.data_dir)?;
    let networks = networks.context("no networks are installed there")?;
    let picture = calibrate::picture(&options.picture)?.context("this is no picture")?;
    let faces = networks.detect(&picture)?;
    let face = frontal_face(&faces, picture.luminance(None));
    let face = face.map_err(|fault| anyhow::anyhow!("the picture is not usable: {fault:?}"))?;
    let template = networks.embed(&picture, face)?;
    let times = Times::take(options, &networks, || {
        let picture = calibrate::picture(&options.picture)?.context("the picture is gone")?;
        analyse(&networks, &template, &picture)?;
        Ok(())
    })?;
    let size = picture.size();
    Ok(FacesReport {
        frames: options.frames,
        width: size.width,
        height: size.height,
        decode_ms_p50: percentile_ms(&times.decode, 0.5),
        detect_ms_p50: percentile_ms(&times.detect, 0.5),
        embed_ms_p50: percentile_ms(&times.embed, 0.5),
        analyse_ms_p50: percentile_ms(&times.whole, 0.5),
        analyse_ms_p99: percentile_ms(&times.whole, 0.99),
    })
}

#[derive(Default)]
struct Times {
    decode: Vec<Duration>,
    detect: Vec<Duration>,
    embed: Vec<Duration>,
    whole: Vec<Duration>,
}

impl Times {
    fn take(
        options: &FacesOptions,
        networks: &Networks,
        mut whole: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let mut times = Self::default();
        for number in 0..WARM_UP + options.frames {
            let mut parts = Vec::with_capacity(4);
            let mut timed = Instant::now();
            let mut lap = || {
                let now = Instant::now();
                parts.push(now - std::mem::replace(&mut timed, now));
            };
            let picture: Option<Picture> = calibrate::picture(&options.picture)?;
            let picture = picture.context("the picture is gone")?;
            lap();
            let faces = networks.detect(&picture)?;
            lap();
            if let Some(face) = faces.first() {
                networks.embed(&picture, face)?;
            }
            lap();
            whole()?;
            lap();
            if number >= WARM_UP {
                times.decode.push(parts[0]);
                times.detect.push(parts[1]);
                times.embed.push(parts[2]);
                times.whole.push(parts[3]);
            }
        }
        Ok(times)
    }
}
