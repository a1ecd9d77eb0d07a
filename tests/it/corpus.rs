//! Replays the corpus of every fuzz target, as it is and mutated: nothing panics, `valid-…` seeds
//! are taken, `broken-…` ones are not.

use std::path::{Path, PathBuf};

#[path = "../../fuzz/targets.rs"]
pub mod targets;

use targets::TARGETS;

/// Mutations of every seed.
const MUTATIONS: u64 = 2_000;
/// Largest seed in the corpus, bytes: whoever clones the repository carries all of them.
const SEED_BYTES_MAX: u64 = 4 * 1024;

struct Seed {
    name: String,
    bytes: Vec<u8>,
}

fn seeds(target: &str) -> Vec<Seed> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut paths = files(&tests.join("corpus").join(target));
    for path in &paths {
        let bytes = path.metadata().unwrap().len();
        assert!(bytes <= SEED_BYTES_MAX, "{path:?} has {bytes} bytes");
    }
    if target == "sdp" {
        paths.extend(files(&tests.join("fixtures/sdp")));
    }
    let read = |path: PathBuf| Seed {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        bytes: std::fs::read(path).unwrap(),
    };
    paths.into_iter().map(read).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|_| panic!("no corpus {folder:?}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A seeded source of whatever (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % below.max(1)
    }

    /// One to eight changes: bytes, lengths, cuts, repetitions, pieces of another seed.
    fn mutate(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.roll(8) {
            let at = self.roll(bytes.len());
            let length = self.roll(1 + (bytes.len() - at).min(64));
            match self.roll(8) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..at + length)),
                2 => {
                    let piece = bytes[at..at + length].to_vec();
                    bytes.splice(at..at, piece);
                }
                3 => {
                    let from = self.roll(other.len());
                    let piece = other[from..].iter().take(length).copied();
                    bytes.splice(at..at, piece.collect::<Vec<u8>>());
                }
                4 => self.set(&mut bytes, at, [0, 1, 0x7f, 0x80, 0xff]),
                5 => bytes.insert(at, self.roll(256) as u8),
                _ if bytes.is_empty() => {}
                6 => bytes[at] ^= 1 << self.roll(8),
                _ => bytes[at] = self.roll(256) as u8,
            }
        }
        bytes
    }

    fn set(&mut self, bytes: &mut [u8], at: usize, strange: [u8; 5]) {
        let value = strange[self.roll(strange.len())];
        let end = (at + 1 + self.roll(4)).min(bytes.len());
        bytes[at.min(end)..end].fill(value);
    }
}

fn replay(name: &str) {
    let target = |input: &[u8]| targets::run(name, input);
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    for seed in &seeds {
        println!("{name}/{}", seed.name);
        assert_eq!(target(&seed.bytes), !seed.name.starts_with("broken-"));
        for number in 0..MUTATIONS {
            let mut dice = Dice(number);
            let other = &seeds[dice.roll(seeds.len())];
            let mutated = dice.mutate(&seed.bytes, &other.bytes);
            let outcome = std::panic::catch_unwind(|| target(&mutated));
            assert!(outcome.is_ok(), "mutation {number} of {name}/{}", seed.name);
        }
    }
}

/// One test per target, so that they run beside each other and a failure names its own.
macro_rules! replays {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_replayed_and_has_a_fuzzer() {
            let replayed = [$(stringify!($name)),*];
            let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(known, replayed);
            let fuzzers = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
            for name in replayed {
                assert!(fuzzers.join(format!("{name}.rs")).exists(), "{name}");
            }
        }
    };
}

replays! {
    client_hello data_packet dependency join_request rtcp rtp sctp sdp shard_datagram signal_request
    stun token
}
