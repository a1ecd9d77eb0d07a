//! What is kept comes back, whatever happened to the file's end.

use std::io::Write;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::id::LessonId;
use crate::service::classroom::Seen;

fn sighting(second: i64) -> Sighting {
    Sighting {
        lesson: LessonId(Uuid::from_u128(1)),
        at: DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap(),
        seen: Seen::Present {
            present: Vec::new(),
        },
    }
}

fn open(folder: &Path) -> Spool {
    Spool::open(folder, SpoolBounds::default()).unwrap().0
}

fn keep(spool: &mut Spool, seconds: std::ops::Range<i64>) {
    for second in seconds {
        spool.keep(&sighting(second)).unwrap();
    }
}

fn drain(spool: &mut Spool) -> Vec<Sighting> {
    let mut all = Vec::new();
    while let Some(next) = spool.oldest().unwrap() {
        all.push(next);
        spool.taken().unwrap();
    }
    all
}

fn sightings(seconds: std::ops::Range<i64>) -> Vec<Sighting> {
    seconds.map(sighting).collect()
}

#[test]
fn what_was_kept_comes_back_in_order_after_a_restart_and_what_was_taken_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    assert!(spool.is_empty());
    keep(&mut spool, 0..3);
    assert_eq!(spool.oldest().unwrap(), Some(sighting(0)));
    spool.taken().unwrap();
    keep(&mut spool, 3..5);
    drop(spool);

    let mut spool = open(folder.path());
    assert_eq!(spool.since(), Some(sighting(0).at));
    assert_eq!(spool.waiting(), 4);
    assert!(!spool.clear().unwrap(), "something waits");
    assert_eq!(drain(&mut spool), sightings(1..5));
    assert!(!spool.is_empty(), "whoever drained it has still to say so");
    assert!(spool.clear().unwrap() && spool.is_empty());
    let path = folder.path().join("spool/sightings");
    assert_eq!(std::fs::metadata(path).unwrap().len(), MAGIC.len() as u64);
    keep(&mut spool, 9..10);
    assert_eq!(spool.since(), Some(sighting(9).at));
}

#[test]
fn at_the_bound_of_bytes_or_of_time_nothing_more_is_kept_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = SpoolBounds {
        bytes_max: 400,
        span_max: TimeDelta::seconds(60),
    };
    let (mut spool, _) = Spool::open(folder.path(), bounds).unwrap();
    keep(&mut spool, 0..1);
    assert!(matches!(spool.keep(&sighting(61)), Err(Error::Full)));
    keep(&mut spool, 60..61);
    while spool.keep(&sighting(1)).is_ok() {}
    assert!(matches!(spool.keep(&sighting(1)), Err(Error::Full)));
    let kept = drain(&mut spool);
    assert_eq!(kept[..2], [sighting(0), sighting(60)]);
    assert!(spool.clear().unwrap());
    keep(&mut spool, 61..62);
}

#[test]
fn another_file_in_the_spools_place_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("spool")).unwrap();
    let path = folder.path().join("spool/sightings");
    std::fs::write(&path, "somebody else's long file").unwrap();
    let refused = Spool::open(folder.path(), SpoolBounds::default());
    assert!(matches!(refused, Err(Error::Io { .. })));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 25);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_torn_end_costs_only_the_frames_that_are_not_whole(
        cut in 0_usize..200, noise in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = open(folder.path());
        keep(&mut spool, 0..4);
        let ends: Vec<u64> = {
            let frame = (spool.end - MAGIC.len() as u64) / 4;
            (0..=4).map(|count| MAGIC.len() as u64 + count * frame).collect()
        };
        drop(spool);
        let path = folder.path().join("spool/sightings");
        let length = std::fs::metadata(&path).unwrap().len().saturating_sub(cut as u64);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.set_len(length).unwrap();
        file.write_all(&noise).unwrap();
        let whole = ends.iter().filter(|end| **end <= length).count().saturating_sub(1) as i64;

        // A file that ends within its first line was never written to.
        prop_assume!(length >= MAGIC.len() as u64);
        let (mut spool, torn) = Spool::open(folder.path(), SpoolBounds::default()).unwrap();
        prop_assert_eq!(torn, length + noise.len() as u64 - ends[whole as usize]);
        keep(&mut spool, 10..11);
        let mut expected = sightings(0..whole);
        expected.push(sighting(10));
        prop_assert_eq!(drain(&mut spool), expected);
    }
}
