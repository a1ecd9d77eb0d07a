//! The rules of recordings.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn started() -> Recording {
    let first = Recording::start(
        RecordingId(Uuid::from_u128(1)),
        LessonId(Uuid::from_u128(2)),
        UnitId(Uuid::from_u128(3)),
        "00".to_owned(),
        at(0),
    );
    Recording::from_first(&first).unwrap()
}

fn act(recording: &mut Recording, command: RecordingCommand, now: i64) -> Result<usize, Refusal> {
    let facts = recording.decide(&command, at(now))?;
    facts.iter().for_each(|fact| recording.apply(fact));
    Ok(facts.len())
}

fn code(result: Result<usize, Refusal>) -> &'static str {
    result.err().map_or("", |refusal| refusal.code)
}

#[test]
fn a_pause_has_a_reason_and_ends_with_the_recording_at_the_latest() {
    let mut recording = started();
    let reason = |reason: &str| RecordingCommand::Pause {
        reason: reason.to_owned(),
    };
    assert_eq!(
        code(act(&mut recording, reason("  "), 5)),
        "recording.reason"
    );
    assert_eq!(act(&mut recording, reason("证人隐私"), 5), Ok(1));
    assert_eq!(
        code(act(&mut recording, reason("x"), 6)),
        "recording.not_running"
    );
    assert_eq!(act(&mut recording, RecordingCommand::Resume, 9), Ok(1));
    assert_eq!(
        code(act(&mut recording, RecordingCommand::Resume, 9)),
        "recording.not_paused"
    );
    assert_eq!(act(&mut recording, reason("again"), 10), Ok(1));
    assert_eq!(act(&mut recording, RecordingCommand::Stop, 20), Ok(1));
    let ends: Vec<_> = recording.pauses().iter().map(|pause| pause.to).collect();
    assert_eq!(ends, [Some(at(9)), Some(at(20))]);
}

#[test]
fn a_recording_that_was_ended_is_over_once_everything_is_written() {
    let mut recording = started();
    assert_eq!(act(&mut recording, RecordingCommand::Written, 1), Ok(0));
    assert_eq!(
        act(&mut recording, RecordingCommand::SessionOver, 50),
        Ok(1)
    );
    assert!(recording.is_over());
    assert_eq!(
        act(&mut recording, RecordingCommand::SessionOver, 51),
        Ok(0)
    );
    assert_eq!(
        code(act(&mut recording, RecordingCommand::Stop, 52)),
        "recording.over"
    );
    assert_eq!(act(&mut recording, RecordingCommand::Written, 55), Ok(1));
    let ended = RecordingState::Ended {
        at: at(50),
        cause: EndCause::SessionOver,
    };
    assert_eq!(recording.state(), ended);
}

#[test]
fn an_incident_is_open_once_however_often_it_is_told() {
    let mut recording = started();
    let full = IncidentKind::StorageFull;
    assert_eq!(
        act(&mut recording, RecordingCommand::Trouble(full), 3),
        Ok(1)
    );
    assert_eq!(
        act(&mut recording, RecordingCommand::Trouble(full), 4),
        Ok(0)
    );
    assert_eq!(
        act(&mut recording, RecordingCommand::Relief(full), 9),
        Ok(1)
    );
    assert_eq!(
        act(&mut recording, RecordingCommand::Relief(full), 10),
        Ok(0)
    );
    assert_eq!(
        recording.incidents(),
        [Incident {
            incident: full,
            from: at(3),
            to: Some(at(9)),
        }]
    );
}

#[test]
fn every_live_second_is_covered_or_in_an_open_incident() {
    let mut recording = started();
    let mut head = Head::genesis(recording.id(), RecordedTrackId(Uuid::from_u128(9)), at(0));
    head.covered_to = at(100);
    let owed = |recording: &Recording, is_live, now| {
        let account = Account {
            head: &head,
            is_live,
        };
        uncovered(recording, &account, at(now)).num_seconds()
    };
    assert_eq!(owed(&recording, true, 100 + 30), 0);
    assert_eq!(owed(&recording, true, 100 + 45), 15);
    assert_eq!(owed(&recording, false, 100 + 45), 0);
    act(
        &mut recording,
        RecordingCommand::Trouble(IncidentKind::Overload),
        120,
    )
    .unwrap();
    assert_eq!(owed(&recording, true, 100 + 45), 0);
    act(&mut recording, RecordingCommand::Stop, 130).unwrap();
    act(&mut recording, RecordingCommand::Written, 140).unwrap();
    // Ended, it has no open incident any more: what is not covered is missing.
    assert_eq!(owed(&recording, true, 500), 30);
}

proptest! {
    #[test]
    fn no_order_of_commands_breaks_a_recording(commands in proptest::collection::vec(0..8, 0..40)) {
        let mut recording = started();
        for (second, command) in commands.into_iter().enumerate() {
            let command = match command {
                0 => RecordingCommand::Pause { reason: "r".to_owned() },
                1 => RecordingCommand::Resume,
                2 => RecordingCommand::Stop,
                3 => RecordingCommand::SessionOver,
                4 => RecordingCommand::Written,
                5 => RecordingCommand::Trouble(IncidentKind::Overload),
                6 => RecordingCommand::Relief(IncidentKind::Overload),
                _ => RecordingCommand::RecorderReturned { since: at(0) },
            };
            let over = recording.is_over();
            let _ = act(&mut recording, command, i64::try_from(second).unwrap());
            prop_assert!(recording.is_over() >= over, "what is over stays over");
            let paused = matches!(recording.state(), RecordingState::Paused { .. });
            let open = recording.pauses().iter().filter(|pause| pause.to.is_none()).count();
            prop_assert_eq!(open, usize::from(paused));
            let kind = IncidentKind::Overload;
            let open = recording.incidents().iter();
            let open = open.filter(|one| one.incident == kind && one.to.is_none()).count();
            prop_assert!(open <= 1);
        }
    }
}
