//! What YuNet says: for each cell of three grids whether a face is there, where, and its points.

use std::sync::Arc;

use rten::ThreadPool;

use super::Network;
use crate::domain::face::geometry::{FaceBox, Landmarks, Point};
use crate::service::face::Error;

/// Pixels between the cells of each grid.
const STRIDES: [usize; 3] = [8, 16, 32];
/// What is less sure is not taken for a face at all.
const SCORE_MIN: f32 = 0.6;
/// Of two faces that overlap more than this, the surer one is left.
const OVERLAP_MAX: f32 = 0.3;
/// Faces of one picture that are looked at, the surest first.
const FACES_MAX: usize = 32;
/// Candidates that are told apart, the surest first.
const CANDIDATES_MAX: usize = 512;

/// A face with its score and points.
pub(super) type Found = (FaceBox, f32, Landmarks);

/// Faces in a picture that was shrunk by `scale`; places are in the picture itself.
pub(super) fn faces(
    network: &Network,
    planes: Vec<f32>,
    scale: f32,
    pool: &Arc<ThreadPool>,
) -> Result<Vec<Found>, Error> {
    let kinds = ["cls", "obj", "bbox", "kps"];
    let names: Vec<String> = STRIDES
        .iter()
        .flat_map(|stride| kinds.iter().map(move |kind| format!("{kind}_{stride}")))
        .collect();
    let outputs = network.run_named(planes, &names, pool)?;
    let [width, height] = network.entry.input;
    let mut found = Vec::new();
    for (stride, output) in STRIDES.into_iter().zip(outputs.chunks_exact(kinds.len())) {
        let (columns, rows) = (width / stride, height / stride);
        let cells = columns * rows;
        let [sure, there, bounds, points] = output else {
            return Err(network.failed("it has not four outputs for each grid"));
        };
        let fits = sure.len() == cells
            && there.len() == cells
            && bounds.len() == 4 * cells
            && points.len() == 10 * cells;
        if !fits {
            return Err(network.failed("its grids are of another size"));
        }
        for cell in 0..cells {
            let score = (sure[cell].clamp(0.0, 1.0) * there[cell].clamp(0.0, 1.0)).sqrt();
            if score < SCORE_MIN {
                continue;
            }
            let place = Cell {
                column: (cell % columns) as f32,
                row: (cell / columns) as f32,
                pixels: stride as f32 * scale,
            };
            let bounds = place.bounds(&bounds[4 * cell..4 * cell + 4]);
            let landmarks = place.landmarks(&points[10 * cell..10 * cell + 10]);
            found.push((bounds, score, landmarks));
        }
    }
    Ok(surest(found))
}

struct Cell {
    column: f32,
    row: f32,
    pixels: f32,
}

impl Cell {
    /// Middle as steps from the cell, sides as logarithms.
    fn bounds(&self, values: &[f32]) -> FaceBox {
        let (width, height) = (values[2].exp() * self.pixels, values[3].exp() * self.pixels);
        FaceBox {
            left: (self.column + values[0]) * self.pixels - width / 2.0,
            top: (self.row + values[1]) * self.pixels - height / 2.0,
            width,
            height,
        }
    }

    fn landmarks(&self, values: &[f32]) -> Landmarks {
        let point = |index: usize| {
            Point::new(
                (self.column + values[2 * index]) * self.pixels,
                (self.row + values[2 * index + 1]) * self.pixels,
            )
        };
        Landmarks::from_points([point(0), point(1), point(2), point(3), point(4)])
    }
}

/// Leaves the surest of those that overlap.
fn surest(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|one, two| two.1.total_cmp(&one.1));
    found.truncate(CANDIDATES_MAX);
    let mut left: Vec<Found> = Vec::new();
    for candidate in found {
        let overlaps = |other: &Found| other.0.overlap(&candidate.0) > OVERLAP_MAX;
        if left.len() < FACES_MAX && !left.iter().any(overlaps) {
            left.push(candidate);
        }
    }
    left
}
