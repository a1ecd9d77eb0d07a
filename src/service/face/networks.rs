//! The engine: networks run by `rten` on the thread that asks.

mod yunet;

use std::collections::BTreeMap;
use std::sync::Arc;

use rten::{Model, ModelOptions, RunOptions, ThreadPool};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, Tensor};
use sha2::{Digest, Sha256};

use super::manifest::{Colours, Entry, Manifest, Role};
use super::picture::Picture;
use super::{Error, FaceEngine, Models};
use crate::domain::face::check::Eyesight;
use crate::domain::face::geometry::{Contour, Face, FaceBox, Point, Quality, Upright};
use crate::domain::face::template::{ModelId, Recogniser, Similarity, Template};

/// Side of the square that the landmark network looks at, in heights of the face.
const CONTOUR_SIDE: f32 = 1.15;
/// How far the points of two networks may lie apart, in distances of the eyes.
const APART_MAX: f32 = 0.35;
/// Faces of which finer points are looked for, the largest first.
const CONTOURS_MAX: usize = 2;

/// Why networks are not taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file is not what the manifest names.
    #[error("{name} is not the file that the manifest names: its {what} differs")]
    OtherFile {
        /// Its name in the manifest.
        name: String,
        /// Length or SHA-256.
        what: &'static str,
    },
    /// A role without which nothing works.
    #[error("there is no {0:?} among the models")]
    Missing(Role),
    /// It cannot be read as a network, or is not of the kind the manifest says.
    #[error("{name} cannot be used: {why}")]
    Unusable {
        /// Its name in the manifest.
        name: String,
        /// Why.
        why: String,
    },
}

/// Networks in memory. Clones share them; each clone of [`Networks::for_thread`] computes on one
/// thread, so as many pictures are looked at as there are workers and no core is fought for.
#[derive(Clone)]
pub struct Networks {
    detector: Arc<Network>,
    embedder: Arc<Network>,
    landmarks: Option<Arc<Network>>,
    recogniser: Recogniser,
    pool: Arc<ThreadPool>,
}

struct Network {
    entry: Entry,
    model: Model,
}

impl std::fmt::Debug for Networks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Networks({})", self.recogniser.model().name)
    }
}

impl Networks {
    /// Checks and reads the files of a manifest, by name. Landmarks may be missing.
    pub fn load(
        manifest: &Manifest,
        files: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, LoadError> {
        let mut of = |role: Role| -> Result<Option<Network>, LoadError> {
            let Some(entry) = manifest.of(role) else {
                return Ok(None);
            };
            match files.remove(&entry.name) {
                Some(file) => Network::load(entry, file).map(Some),
                None => Ok(None),
            }
        };
        let needed = |role: Role, network: Option<Network>| network.ok_or(LoadError::Missing(role));
        let detector = needed(Role::Detector, of(Role::Detector)?)?;
        let embedder = needed(Role::Recogniser, of(Role::Recogniser)?)?;
        let landmarks = of(Role::Landmarks)?.map(Arc::new);
        Ok(Self {
            recogniser: embedder.recogniser()?,
            detector: Arc::new(detector),
            embedder: Arc::new(embedder),
            landmarks,
            pool: Arc::new(ThreadPool::with_num_threads(1)),
        })
    }

    /// The same networks for another worker.
    pub fn for_thread(&self) -> Self {
        Self {
            pool: Arc::new(ThreadPool::with_num_threads(1)),
            ..self.clone()
        }
    }

    /// The finer points of a face, in the picture.
    fn contour(&self, picture: &Picture, bounds: &FaceBox) -> Result<Option<Contour>, Error> {
        let Some(network) = &self.landmarks else {
            return Ok(None);
        };
        let [width, height] = network.entry.input;
        let side = bounds.width.max(bounds.height) * CONTOUR_SIDE;
        let centre = bounds.centre();
        let (left, top) = (centre.x - side / 2.0, centre.y - side / 2.0);
        let back = Upright {
            a: side / width as f32,
            b: 0.0,
            dx: left,
            dy: top,
        };
        let planes = picture.sampled(width, height, &back);
        let values = network.run_one(planes, &self.pool)?;
        if values.len() != 2 * Contour::POINTS {
            return Err(network.failed("it did not answer 68 points"));
        }
        let mut points = [Point::new(0.0, 0.0); Contour::POINTS];
        for (point, pair) in points.iter_mut().zip(values.chunks_exact(2)) {
            *point = Point::new(left + pair[0] * side, top + pair[1] * side);
        }
        Ok(Some(Contour::new(points)))
    }

    fn refine(&self, picture: &Picture, face: &mut Face) -> Result<(), Error> {
        let Some(contour) = self.contour(picture, &face.bounds)? else {
            return Ok(());
        };
        let fine = contour.landmarks();
        face.quality.plausible &= fine.is_plausible();
        face.quality.plausible &= fine.apart(&face.landmarks) <= APART_MAX;
        face.yaw = contour.yaw();
        face.mouth = Some(contour.mouth());
        Ok(())
    }
}

impl FaceEngine for Networks {
    fn models(&self) -> Models<'_> {
        Models {
            eyesight: match self.landmarks {
                Some(_) => Eyesight::Contours,
                None => Eyesight::Faces,
            },
            recogniser: Some(&self.recogniser),
        }
    }

    fn detect(&self, picture: &Picture) -> Result<Vec<Face>, Error> {
        let [width, height] = self.detector.entry.input;
        let size = picture.size();
        let across = size.width as f32 / width as f32;
        let scale = across.max(size.height as f32 / height as f32);
        let back = Upright {
            a: scale,
            b: 0.0,
            dx: 0.0,
            dy: 0.0,
        };
        let planes = picture.sampled(width, height, &back);
        let found = yunet::faces(&self.detector, planes, scale, &self.pool)?;
        let mut faces: Vec<Face> = found
            .into_iter()
            .map(|(bounds, score, landmarks)| Face {
                bounds,
                score,
                landmarks,
                yaw: landmarks.yaw(),
                mouth: None,
                quality: Quality {
                    luminance: picture.luminance(Some(&bounds)),
                    plausible: landmarks.is_plausible(),
                },
            })
            .collect();
        faces.sort_by(|one, two| two.bounds.height.total_cmp(&one.bounds.height));
        for face in faces.iter_mut().take(CONTOURS_MAX) {
            self.refine(picture, face)?;
        }
        Ok(faces)
    }

    fn embed(&self, picture: &Picture, face: &Face) -> Result<Template, Error> {
        let entry = &self.embedder.entry;
        let [width, height] = entry.input;
        let upright = entry
            .points()
            .and_then(|points| Upright::between(&face.landmarks.points(), &points))
            .and_then(|upright| upright.inverse());
        let back = upright.ok_or_else(|| self.embedder.failed("the face has no direction"))?;
        let planes = picture.sampled(width, height, &back);
        let values = self.embedder.run_one(planes, &self.pool)?;
        Ok(self.recogniser.template(values)?)
    }

    fn compare(&self, one: &Template, two: &Template) -> Result<Similarity, Error> {
        Ok(self.recogniser.compare(one, two)?)
    }
}

impl Network {
    fn load(entry: &Entry, file: Vec<u8>) -> Result<Self, LoadError> {
        let other = |what| LoadError::OtherFile {
            name: entry.name.clone(),
            what,
        };
        if file.len() as u64 != entry.bytes {
            return Err(other("length"));
        }
        if format!("{:x}", Sha256::digest(&file)) != entry.sha256 {
            return Err(other("SHA-256"));
        }
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        let model = options.load(file).map_err(|error| LoadError::Unusable {
            name: entry.name.clone(),
            why: error.to_string(),
        })?;
        Ok(Self {
            entry: entry.clone(),
            model,
        })
    }

    fn recogniser(&self) -> Result<Recogniser, LoadError> {
        let unusable = |why: String| LoadError::Unusable {
            name: self.entry.name.clone(),
            why,
        };
        let model = ModelId {
            name: self.entry.name.clone(),
            sha256: self.entry.sha256.clone(),
        };
        match (self.entry.metric, self.entry.thresholds) {
            (Some(metric), Some(thresholds)) => Recogniser::new(model, metric, thresholds)
                .map_err(|error| unusable(error.to_string())),
            (_, None) | (None, _) => Err(unusable("it has no metric".to_owned())),
        }
    }

    fn failed(&self, why: &str) -> Error {
        Error::Network {
            name: self.entry.name.clone(),
            why: why.to_owned(),
        }
    }

    /// Planes of red, green and blue as the network wants them.
    fn input(&self, mut planes: Vec<f32>) -> Result<NdTensor<f32, 4>, Error> {
        let [width, height] = self.entry.input;
        let plane = width * height;
        if self.entry.colours == Colours::Bgr {
            let (red, rest) = planes.split_at_mut(plane);
            red.swap_with_slice(&mut rest[plane..]);
        }
        for (values, mean) in planes.chunks_exact_mut(plane).zip(self.entry.mean) {
            for value in values {
                *value = (*value - mean) * self.entry.scale;
            }
        }
        NdTensor::try_from_data([1, 3, height, width], planes)
            .map_err(|error| self.failed(&error.to_string()))
    }

    fn options(pool: &Arc<ThreadPool>) -> RunOptions {
        RunOptions::default().with_thread_pool(Some(Arc::clone(pool)))
    }

    /// The first output, flat.
    fn run_one(&self, planes: Vec<f32>, pool: &Arc<ThreadPool>) -> Result<Vec<f32>, Error> {
        let input = self.input(planes)?;
        let failed = |why: String| self.failed(&why);
        let output = self
            .model
            .run_one(input.view().into(), Some(Self::options(pool)))
            .map_err(|error| failed(error.to_string()))?;
        let tensor: Tensor<f32> = output
            .try_into()
            .map_err(|_| failed("its output is not of numbers".to_owned()))?;
        Ok(tensor.to_vec())
    }

    /// Named outputs, flat.
    fn run_named(
        &self,
        planes: Vec<f32>,
        names: &[String],
        pool: &Arc<ThreadPool>,
    ) -> Result<Vec<Vec<f32>>, Error> {
        let input = self.input(planes)?;
        let failed = |why: String| self.failed(&why);
        let outputs = names
            .iter()
            .map(|name| self.model.node_id(name))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| failed(error.to_string()))?;
        let first = *self
            .model
            .input_ids()
            .first()
            .ok_or_else(|| failed("it has no input".to_owned()))?;
        let inputs = vec![(first, input.view().into())];
        let values = self
            .model
            .run(inputs, &outputs, Some(Self::options(pool)))
            .map_err(|error| failed(error.to_string()))?;
        values
            .into_iter()
            .map(|value| {
                let tensor: Tensor<f32> = value
                    .try_into()
                    .map_err(|_| failed("an output is not of numbers".to_owned()))?;
                Ok(tensor.to_vec())
            })
            .collect()
    }
}
