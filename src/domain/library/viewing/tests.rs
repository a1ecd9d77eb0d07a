//! What a learner watched, honestly and not.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const START: DateTime<Utc> = DateTime::UNIX_EPOCH;
const ONE: PlaybackId = PlaybackId(Uuid::from_u128(1));
const TWO: PlaybackId = PlaybackId(Uuid::from_u128(2));

fn at(seconds: i64) -> DateTime<Utc> {
    START + TimeDelta::seconds(seconds)
}

fn viewing() -> Viewing {
    let first = Viewing::open(
        ViewingId(Uuid::from_u128(3)),
        AccountId(Uuid::from_u128(4)),
        CourseLessonId(Uuid::from_u128(5)),
        (FilmId(Uuid::from_u128(6)), 600_000),
        START,
    );
    Viewing::from_first(&first).unwrap()
}

fn start(playback: PlaybackId, device: &str, elsewhere: Option<Elsewhere>) -> ViewingCommand {
    ViewingCommand::Start {
        playback,
        device: device.to_owned(),
        elsewhere,
        take_over: false,
        speed_percent: 100,
    }
}

fn act(viewing: &mut Viewing, command: &ViewingCommand, now: DateTime<Utc>) -> Vec<ViewingFact> {
    let facts = viewing.decide(command, now).unwrap();
    facts.iter().for_each(|fact| viewing.apply(fact));
    facts
}

/// Fetches ahead as far as it may, as a player and a script do.
fn fetch(viewing: &mut Viewing, playback: PlaybackId, now: DateTime<Utc>) {
    loop {
        let from_ms = viewing.served().frontier_ms();
        let span = MediaSpan {
            from_ms,
            to_ms: (from_ms + 4_000).min(600_000),
        };
        let admitted = viewing.admit(playback, span, now).unwrap();
        if span.from_ms == span.to_ms || admitted.is_err() {
            return;
        }
        viewing.hand_over(span, now);
    }
}

fn beat(position_ms: u64, watching: bool) -> Beat {
    Beat {
        position_ms,
        watching,
    }
}

/// Watches honestly, a word every five seconds.
fn watch(viewing: &mut Viewing, playback: PlaybackId, from: i64, seconds: i64) {
    let position = viewing.playback().unwrap().resumed_ms;
    for second in (0..=seconds).step_by(5) {
        let now = at(from + second);
        fetch(viewing, playback, now);
        let position_ms = position + u64::try_from(second).unwrap() * 1_000;
        viewing
            .hear(playback, beat(position_ms, true), &[], now)
            .unwrap();
    }
}

#[test]
fn whoever_watches_has_watched_and_goes_on_ten_seconds_before() {
    let mut viewing = viewing();
    act(&mut viewing, &start(ONE, "phone", None), START);
    watch(&mut viewing, ONE, 0, 100);
    assert_eq!(viewing.watched_ms(), 100_000);
    act(&mut viewing, &ViewingCommand::Stop(ONE), at(100));
    assert_eq!(viewing.resume_ms(), 90_000);
    act(&mut viewing, &start(TWO, "tablet", None), at(5_000));
    watch(&mut viewing, TWO, 5_000, 20);
    assert_eq!(viewing.watched_ms(), 110_000);
}

#[test]
fn forged_progress_has_no_effect() {
    let mut viewing = viewing();
    act(&mut viewing, &start(ONE, "script", None), START);
    fetch(&mut viewing, ONE, START);
    viewing.hear(ONE, beat(599_000, true), &[], START).unwrap();
    assert_eq!(viewing.watched_ms(), 0, "no time has passed");
    viewing.hear(ONE, beat(599_000, true), &[], at(10)).unwrap();
    assert_eq!(viewing.watched_ms(), 10_000, "no faster than time");
    for second in 11..100 {
        viewing
            .hear(ONE, beat(599_000, true), &[], at(second))
            .unwrap();
    }
    let served = viewing.served().frontier_ms();
    assert_eq!(
        viewing.watched_ms(),
        served,
        "never what was not handed over"
    );
}

#[test]
fn what_a_browser_admits_holds_back() {
    let mut viewing = viewing();
    act(&mut viewing, &start(ONE, "phone", None), START);
    fetch(&mut viewing, ONE, START);
    viewing.hear(ONE, beat(0, false), &[], START).unwrap();
    viewing.hear(ONE, beat(10_000, true), &[], at(10)).unwrap();
    assert_eq!(
        viewing.watched_ms(),
        0,
        "it was in the background until now"
    );
    viewing.hear(ONE, beat(12_000, true), &[], at(20)).unwrap();
    assert_eq!(viewing.watched_ms(), 10_000);
    viewing.hear(ONE, beat(12_000, true), &[], at(30)).unwrap();
    assert_eq!(viewing.watched_ms(), 12_000, "no further than its player");
    viewing.hear(ONE, beat(28_000, true), &[], at(600)).unwrap();
    assert_eq!(viewing.watched_ms(), 27_000, "a gap vouches for 15 s");
}

#[test]
fn looking_back_watches_nothing_new() {
    let mut viewing = viewing();
    act(&mut viewing, &start(ONE, "phone", None), START);
    watch(&mut viewing, ONE, 0, 60);
    for second in 61..90 {
        let back = beat(10_000 + u64::try_from(second).unwrap(), true);
        viewing.hear(ONE, back, &[], at(second)).unwrap();
    }
    assert_eq!(viewing.watched_ms(), 60_000);
}

#[test]
fn a_second_device_is_told_and_may_take_over() {
    let mut viewing = viewing();
    act(&mut viewing, &start(ONE, "phone", None), START);
    let here = start(TWO, "tablet", viewing.elsewhere());
    let refusal = viewing.decide(&here, at(59)).unwrap_err();
    assert_eq!(refusal.code, "playback.elsewhere");
    let again = start(TWO, "phone", viewing.elsewhere());
    assert!(
        viewing.decide(&again, at(5)).is_ok(),
        "the same device goes on"
    );
    let taken = ViewingCommand::Start {
        playback: TWO,
        device: "tablet".to_owned(),
        elsewhere: viewing.elsewhere(),
        take_over: true,
        speed_percent: 100,
    };
    assert_eq!(act(&mut viewing, &taken, at(10)).len(), 2);
    let first = viewing.hear(ONE, beat(0, true), &[], at(11)).unwrap_err();
    assert_eq!(first.code, "playback.ended");
    let span = MediaSpan {
        from_ms: 0,
        to_ms: 4_000,
    };
    assert!(viewing.admit(ONE, span, at(11)).is_err());
    assert!(viewing.admit(TWO, span, at(11)).unwrap().is_ok());
}

#[test]
fn a_playback_ends_by_silence_with_what_was_watched() {
    let mut viewing = viewing();
    act(&mut viewing, &start(ONE, "phone", None), START);
    watch(&mut viewing, ONE, 0, 30);
    assert_eq!(act(&mut viewing, &ViewingCommand::Due, at(89)), []);
    let facts = act(&mut viewing, &ViewingCommand::Due, at(90));
    let [
        ViewingFact::PlaybackEnded {
            cause, watched_ms, ..
        },
    ] = facts.as_slice()
    else {
        panic!("{facts:?}");
    };
    assert_eq!((*cause, *watched_ms), (EndCause::Silent, 30_000));
    assert_eq!(viewing.next_deadline(), None);
}

#[test]
fn a_film_watched_to_its_end_is_finished_and_begins_anew() {
    let mut viewing = viewing();
    act(&mut viewing, &start(ONE, "phone", None), START);
    watch(&mut viewing, ONE, 0, 595);
    assert_eq!(act(&mut viewing, &ViewingCommand::Due, at(595)), []);
    viewing
        .hear(ONE, beat(599_000, true), &[], at(600))
        .unwrap();
    let finished = [ViewingFact::LessonFinished { at: at(600) }];
    assert_eq!(act(&mut viewing, &ViewingCommand::Due, at(600)), finished);
    assert_eq!(act(&mut viewing, &ViewingCommand::Due, at(601)), []);
    assert_eq!(viewing.resume_ms(), 0);
}

proptest! {
    #[test]
    fn nothing_is_watched_faster_than_time_whatever_a_browser_says(
        words in prop::collection::vec(
            (0_i64..40, 0_u64..700_000, any::<bool>(), any::<bool>()), 1..100),
    ) {
        let mut viewing = viewing();
        act(&mut viewing, &start(ONE, "phone", None), START);
        let mut now = 0;
        for (wait, position_ms, watching, fetches) in words {
            now += wait;
            if fetches {
                fetch(&mut viewing, ONE, at(now));
            }
            viewing.hear(ONE, beat(position_ms, watching), &[], at(now)).unwrap();
            prop_assert!(viewing.watched_ms() <= u64::try_from(now).unwrap() * 1_000);
            prop_assert!(viewing.watched_ms() <= viewing.served().frontier_ms());
        }
    }
}
