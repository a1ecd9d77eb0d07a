//! Mishaps on request.

use chrono::TimeDelta;

use super::super::*;
use super::bench::*;
use crate::media::signal::{Layout, Scenario};

fn simulate(bench: &mut Bench, who: ParticipantId, scenario: Scenario) {
    bench.request(who, Request::Simulate(scenario));
}

fn is_cut(notice: &Notice) -> bool {
    matches!(notice, Notice::Cut)
}

/// Who seemed to speak or no longer, as somebody heard.
fn speech(bench: &Bench, who: ParticipantId) -> Vec<(ParticipantId, bool)> {
    let heard = bench.heard(who).iter().flat_map(|notice| match notice {
        Notice::Speakers(speakers) => speakers.clone(),
        _ => Vec::new(),
    });
    heard
        .map(|speaker| (speaker.participant, speaker.active))
        .collect()
}

#[test]
fn a_simulated_speech_is_heard_by_all_and_ends_in_time() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    let two = bench.join("two", Layout::Dual);
    simulate(&mut bench, one, Scenario::Speech { seconds: 3 });
    bench.pass(TimeDelta::milliseconds(2_999));
    for who in [one, two] {
        assert_eq!(speech(&bench, who), [(one, true)]);
    }
    bench.pass(TimeDelta::milliseconds(1));
    for who in [one, two] {
        assert_eq!(speech(&bench, who), [(one, true), (one, false)]);
    }
    let seconds = u32::MAX;
    simulate(&mut bench, one, Scenario::Speech { seconds });
    bench.pass(TimeDelta::seconds(60));
    assert_eq!(speech(&bench, two).len(), 4);
}

#[test]
fn a_client_that_is_forgotten_hears_nothing_and_cannot_resume() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    let two = bench.join("two", Layout::Single);
    bench.forget();
    simulate(&mut bench, one, Scenario::Vanish);
    let farewell = |notice: &Notice| matches!(notice, Notice::Left(_));
    assert!(is_cut(bench.heard(one).last().unwrap()));
    assert!(!bench.heard(one).iter().any(farewell));
    assert!(!bench.room.members.contains_key(&one));
    let gone = bench.latest(two, "one").unwrap();
    assert_eq!(gone.left, Some(LeaveReason::ConnectionLost));
}

#[test]
fn the_next_resume_is_cut_off_once_before_or_after_the_server_spoke() {
    for silently in [false, true] {
        let mut bench = Bench::new();
        let one = bench.join("one", Layout::Single);
        simulate(&mut bench, one, Scenario::CutOnResume { silently });
        bench.give(Input::SignalLost { participant: one });
        bench.forget();
        bench.give(Input::Resume { participant: one });
        let resumed = |notice: &Notice| matches!(notice, Notice::Resumed { .. });
        let heard = bench.heard(one);
        assert_eq!(heard.iter().any(resumed), !silently);
        assert_eq!(heard.iter().position(is_cut), Some(heard.len() - 1));
        bench.give(Input::SignalLost { participant: one });
        bench.forget();
        bench.give(Input::Resume { participant: one });
        assert!(bench.heard(one).iter().any(resumed));
        assert!(!bench.heard(one).iter().any(is_cut));
    }
}

#[test]
fn a_late_resume_is_not_cut_off() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    let silently = true;
    simulate(&mut bench, one, Scenario::CutOnResume { silently });
    bench.give(Input::SignalLost { participant: one });
    bench.pass(TimeDelta::milliseconds(5_001));
    bench.give(Input::Resume { participant: one });
    assert!(!bench.heard(one).iter().any(is_cut));
}
