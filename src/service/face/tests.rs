//! The engine with real networks and real pictures, which lie beside the project
//! (`MINGTANG_TEST_DATA`, default `../shared`). Where they are absent each test says that it
//! proves nothing.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::PathBuf;
use std::sync::LazyLock;

use zune_jpeg::JpegDecoder;

use super::analyse::{analyse, key_frame};
use super::manifest::Manifest;
use super::networks::{LoadError, Networks};
use super::picture::Picture;
use super::{Error, FaceEngine, NoEngine};
use crate::domain::face::action::{Action, Rest};
use crate::domain::face::check::{Analysis, Look};
use crate::domain::face::decision::{FRAMES_MAX, Verdict, decide};
use crate::domain::face::geometry::Face;
use crate::domain::face::keyframe::{self, BadFrame, Size};
use crate::domain::face::quality::{Fault, frontal_face, only_face};
use crate::domain::face::template::{Likeness, Similarity, Template};

const MANIFEST: &str = include_str!("../../../tests/faces/models.toml");
/// Pictures of each clip that are judged.
const FRAMES: usize = 20;
/// Pictures of a clip in one second.
const FRAMES_PER_SECOND: usize = 10;

struct World {
    folder: PathBuf,
    networks: Networks,
}

static WORLD: LazyLock<Option<World>> = LazyLock::new(World::open);

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told where their data is"
    )]
    fn open() -> Option<Self> {
        let folder = match std::env::var("MINGTANG_TEST_DATA") {
            Ok(folder) => PathBuf::from(folder),
            Err(_) => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")),
        };
        if !folder.join("models").is_dir() || !folder.join("media").is_dir() {
            return None;
        }
        let mut files = files(&folder);
        let networks = Networks::load(&manifest(), &mut files).expect("the networks load");
        Some(Self { folder, networks })
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.join("media").join(name)).expect("a file of the test data")
    }

    /// The pictures of a clip: JPEGs one after the other, each up to its end marker.
    fn clip(&self, name: &str) -> Clip {
        let bytes = self.read(&format!("{name}.mjpeg"));
        let ends = (2..=bytes.len()).filter(|end| bytes[end - 2..*end] == [0xff, 0xd9]);
        let mut from = 0;
        let jpegs = ends.map(|end| bytes[std::mem::replace(&mut from, end)..end].to_vec());
        Clip(jpegs.collect())
    }

    /// The key frame of a person as enrolled.
    fn template(&self, name: &str) -> Template {
        let webp = self.read(&format!("{name}-keyframe.webp"));
        let picture = Picture::of_webp(&webp).expect("a picture");
        let faces = self.networks.detect(&picture).expect("faces");
        let face = frontal_face(&faces, picture.luminance(None)).expect("a good picture");
        self.networks.embed(&picture, face).expect("a template")
    }

    fn look(&self, template: &Template, picture: &Picture) -> Look {
        seen(analyse(&self.networks, template, picture))
    }

    fn face(&self, picture: &Picture) -> Face {
        let faces = self.networks.detect(picture).expect("faces");
        let face = only_face(&faces, picture.luminance(None));
        face.expect("one face").clone()
    }
}

struct Clip(Vec<Vec<u8>>);

impl Clip {
    fn picture(&self, frame: usize) -> Picture {
        let mut decoder = JpegDecoder::new(Cursor::new(&self.0[frame]));
        let rgb = decoder.decode().expect("a JPEG");
        let info = decoder.info().expect("a decoded JPEG");
        let size = Size {
            width: u32::from(info.width),
            height: u32::from(info.height),
        };
        Picture::new(size, rgb).expect("three bytes a pixel")
    }

    /// Pictures spread over the whole clip.
    fn spread(&self, count: usize) -> impl Iterator<Item = Picture> + '_ {
        (0..count).map(move |index| self.picture(index * self.0.len() / count))
    }

    /// The faces of pictures from one tenth of a second to another, both among them.
    fn faces(&self, world: &World, from: usize, to: usize) -> Vec<Face> {
        (from..=to)
            .map(|at| world.face(&self.picture(at * FRAMES_PER_SECOND / 10)))
            .collect()
    }
}

fn manifest() -> Manifest {
    Manifest::parse(MANIFEST).expect("the manifest of tests is taken")
}

fn files(folder: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let file = |name: &str| folder.join("models").join(format!("{name}.onnx"));
    let read = |name: String| {
        let bytes = std::fs::read(file(&name)).expect("a network of the test data");
        (name, bytes)
    };
    let models = manifest().models.into_iter();
    models.map(|entry| read(entry.name)).collect()
}

fn seen(analysis: Result<Analysis, Error>) -> Look {
    match analysis.expect("the networks run") {
        Analysis::Seen(look) => look,
        other @ (Analysis::Busy | Analysis::Unreadable | Analysis::Incomparable) => {
            panic!("not seen but {other:?}")
        }
    }
}

/// The test data, or word that a test proves nothing without it.
fn world(test: &str) -> Option<&'static World> {
    let world = WORLD.as_ref();
    if world.is_none() {
        // Past the test runner, which shows of a test that passes nothing.
        let mut out = std::io::stderr();
        let word = format!("SKIPPED {test}: no test data, so this run does not prove it\n");
        out.write_all(word.as_bytes()).expect("somewhere to say it");
    }
    world
}

#[test]
fn the_enrolled_person_matches_and_another_does_not_in_every_frame() {
    let Some(world) = world("comparison") else {
        return;
    };
    let template = world.template("collins");
    let similarities = |name: &str| -> Vec<Similarity> {
        let clip = world.clip(name);
        let looks = clip
            .spread(FRAMES)
            .map(|picture| world.look(&template, &picture));
        looks
            .map(|look| look.similarity.expect("it is compared"))
            .collect()
    };
    let (own, foreign) = (similarities("collins"), similarities("hopper"));
    for one in &own {
        assert_eq!(one.likeness(), Likeness::Same, "{one:?}");
    }
    for one in &foreign {
        assert_eq!(one.likeness(), Likeness::Different, "{one:?}");
    }
    for (own, foreign) in own.chunks(FRAMES_MAX).zip(foreign.chunks(FRAMES_MAX)) {
        assert!(matches!(decide(own), Some(Verdict::Match(_))));
        assert!(matches!(decide(foreign), Some(Verdict::Mismatch(_))));
    }
}

#[test]
fn what_cannot_be_judged_is_called_by_its_own_name_and_never_compared() {
    let Some(world) = world("quality gate") else {
        return;
    };
    let template = world.template("collins");
    let table = [
        ("no-face", Fault::NoFace),
        ("two-faces", Fault::ManyFaces),
        ("collins-dark", Fault::TooDark),
        ("collins-small", Fault::TooSmall),
    ];
    for (name, fault) in table {
        for picture in world.clip(name).spread(FRAMES / 2) {
            let look = world.look(&template, &picture);
            let found = frontal_face(&look.faces, look.luminance);
            assert_eq!(found.err(), Some(fault), "{name}");
            assert_eq!(look.similarity, None, "{name}");
        }
    }
}

#[test]
fn turns_and_an_open_mouth_are_seen_when_they_happen_and_nothing_else_is() {
    let Some(world) = world("actions") else {
        return;
    };
    for name in ["collins-challenge", "hopper-challenge"] {
        let clip = world.clip(name);
        let rest = Rest::of(clip.faces(world, 0, 4).iter()).expect("faces");
        let moments = [
            (5, 14, None),
            (23, 31, Some(Action::TurnLeft)),
            (38, 39, None),
            (46, 53, Some(Action::TurnRight)),
            (60, 63, None),
            (69, 73, Some(Action::OpenMouth)),
            (80, 84, None),
        ];
        for (from, to, done) in moments {
            for face in clip.faces(world, from, to) {
                for action in Action::ALL {
                    let wanted = done == Some(action);
                    let found = action.is_done(&rest, &face);
                    assert_eq!(found, wanted, "{name} {from} {action:?} {rest:?} {face:?}");
                }
            }
        }
    }
}

#[test]
fn who_only_sits_there_does_nothing_that_could_be_asked() {
    let Some(world) = world("actions of a still person") else {
        return;
    };
    for name in ["collins", "hopper"] {
        let clip = world.clip(name);
        let faces: Vec<Face> = clip
            .spread(FRAMES)
            .map(|picture| world.face(&picture))
            .collect();
        let rest = Rest::of(faces[..FRAMES_MAX].iter()).expect("faces");
        for face in &faces {
            for action in Action::ALL {
                assert!(!action.is_done(&rest, face), "{name} {action:?} {face:?}");
            }
        }
    }
}

#[test]
fn a_photo_tilted_to_thirty_degrees_does_not_turn() {
    let Some(world) = world("tilted photo") else {
        return;
    };
    for name in ["collins", "hopper"] {
        let picture = world.clip(name).picture(0);
        let rest = Rest::of([world.face(&picture)].iter()).expect("a face");
        for degrees in [-30.0, -15.0, 15.0, 30.0] {
            let face = world.face(&picture.tilted(degrees));
            for action in Action::ALL {
                assert!(
                    !action.is_done(&rest, &face),
                    "{name} {degrees} {action:?} {face:?}"
                );
            }
        }
    }
}

#[test]
fn key_frames_are_judged_as_they_were_sent() {
    let Some(world) = world("key frames") else {
        return;
    };
    for (enrolled, other) in [("collins", "hopper"), ("hopper", "collins")] {
        let template = world.template(enrolled);
        for (name, likeness) in [(enrolled, Likeness::Same), (other, Likeness::Different)] {
            let webp = world.read(&format!("{name}-keyframe.webp"));
            let frame = keyframe::unwrap(&webp).expect("a key frame");
            let look = seen(key_frame(&world.networks, &template, frame));
            let similarity = look.similarity.expect("it is compared");
            assert_eq!(similarity.likeness(), likeness, "{enrolled} {name}");
        }
    }
}

#[test]
fn a_damaged_key_frame_is_unreadable_and_costs_nothing_more() {
    let Some(world) = world("damaged frames") else {
        return;
    };
    let template = world.template("collins");
    let webp = world.read("collins-keyframe.webp");
    let frame = keyframe::unwrap(&webp).expect("a key frame");
    let mut huge = frame.to_vec();
    huge[6..10].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
    let large = BadFrame::TooLarge {
        width: 16_383,
        height: 16_383,
    };
    assert_eq!(Picture::of_key_frame(&huge).err(), Some(large));
    let noise: Vec<u8> = (0..5000_u32)
        .map(|at| ((at * at * 31) >> 7) as u8)
        .collect();
    let cuts = (0..frame.len() / 2).step_by(97).map(|cut| &frame[..cut]);
    for damaged in cuts.chain([huge.as_slice(), noise.as_slice()]) {
        let analysis = key_frame(&world.networks, &template, damaged).expect("a result");
        let length = damaged.len();
        assert!(matches!(analysis, Analysis::Unreadable), "{length} bytes");
    }
    // Noise behind a right header decodes to a picture of nothing, or not at all.
    let mut scrambled = frame.to_vec();
    let start = scrambled.len() / 8;
    scrambled[start..].copy_from_slice(&noise.repeat(8)[..frame.len() - start]);
    let analysis = key_frame(&world.networks, &template, &scrambled);
    if !matches!(analysis, Ok(Analysis::Unreadable)) {
        assert_eq!(seen(analysis).similarity, None);
    }
}

#[test]
fn a_file_that_is_not_the_one_of_the_manifest_is_not_taken() {
    let Some(world) = world("checksums") else {
        return;
    };
    for entry in manifest().models {
        let mut files = files(&world.folder);
        let file = files.get_mut(&entry.name).expect("it is there");
        file[1000] ^= 1;
        let loaded = Networks::load(&manifest(), &mut files);
        assert!(matches!(loaded, Err(LoadError::OtherFile { .. })));
    }
}

#[test]
fn without_networks_nothing_is_seen_and_nothing_compared() {
    let size = Size {
        width: 16,
        height: 16,
    };
    let picture = Picture::new(size, vec![128; 16 * 16 * 3]).expect("a picture");
    assert!(matches!(NoEngine.detect(&picture), Err(Error::NoModel)));
}

impl Picture {
    /// This picture as a photo that is turned about its upright axis before a camera whose focal
    /// length is the picture's width.
    fn tilted(&self, degrees: f32) -> Picture {
        let (sin, cos) = f32::to_radians(degrees).sin_cos();
        let (width, height) = (self.size().width as usize, self.size().height as usize);
        let (middle, centre, focal) = (width as f32 / 2.0, height as f32 / 2.0, width as f32);
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                let (across, down) = (x as f32 - middle, y as f32 - centre);
                let along = across / (cos - across * sin / focal);
                let fall = down * (1.0 + along * sin / focal);
                rgb.extend(self.pixel(along + middle, fall + centre));
            }
        }
        Picture::new(self.size(), rgb).expect("the same size")
    }
}
