//! What anybody can check with the facts alone, once the seed is revealed.

use chrono::{DateTime, Utc};

use super::face::{asked_kind, without_question};
use super::{AttendanceFact, Route, millis};
use crate::domain::classroom::check::{Cause, Check, CheckKind};
use crate::domain::classroom::policy::ClassroomPolicy;
use crate::domain::classroom::schedule::{
    Seed, gesture_of, ladder_delay_ms, nonce_hash, recompute,
};

/// Where the facts contradict the revealed seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// There is no opening fact, or the seed is not revealed yet.
    #[error("the attendance is not closed: its seed is still secret")]
    NotClosed,
    /// The revealed seed is not the one committed to.
    #[error("the revealed seed is not the one committed to")]
    Commitment,
    /// A check is not the one drawn.
    #[error("check {number} is not the drawn one: {what}")]
    Check {
        /// Its number.
        number: u32,
        /// What differs: `nonce`, `order`, `time`, `early`, `kind`, `gesture` or `ladder`.
        what: &'static str,
    },
}

/// Recomputes every draw of a closed attendance from its facts, in the order they happened.
pub fn verify(facts: &[AttendanceFact]) -> Result<(), Mismatch> {
    let (seed, policy) = revealed(facts)?;
    let mut ordinals = 0;
    let mut route = Route::default();
    for fact in facts {
        gesture(&seed, facts, fact)?;
        if let AttendanceFact::AttendanceOpened { terms, .. } = fact {
            route = terms.route;
        } else if let AttendanceFact::Exempted { .. } = fact {
            route = Route::CameraFree;
        }
        let Some(check) = asked(fact) else { continue };
        let differs = |what| Mismatch::Check {
            number: check.number,
            what,
        };
        if check.nonce_hash != nonce_hash(&seed.nonce(check.number, 0)) {
            return Err(differs("nonce"));
        }
        if let Cause::Scheduled {
            ordinal,
            due_clock_ms,
        } = check.cause
        {
            drawn(&seed, policy, check, (ordinal, due_clock_ms), ordinals).map_err(differs)?;
            kind(&seed, policy, check, (ordinal, route)).map_err(differs)?;
            ordinals += 1;
        }
    }
    facts
        .windows(2)
        .try_for_each(|pair| ladder(&seed, policy, facts, pair))
}

fn revealed(facts: &[AttendanceFact]) -> Result<(Seed, &ClassroomPolicy), Mismatch> {
    let opened = facts.first().and_then(|fact| {
        if let AttendanceFact::AttendanceOpened {
            commitment, policy, ..
        } = fact
        {
            Some((commitment, policy.as_ref()))
        } else {
            None
        }
    });
    let seed = facts.iter().find_map(|fact| {
        if let AttendanceFact::AttendanceClosed { seed, .. } = fact {
            Some(seed)
        } else {
            None
        }
    });
    let ((commitment, policy), seed) = opened.zip(seed).ok_or(Mismatch::NotClosed)?;
    let seed = Seed::from_hex(seed).ok_or(Mismatch::Commitment)?;
    if seed.commitment() == *commitment {
        Ok((seed, policy))
    } else {
        Err(Mismatch::Commitment)
    }
}

fn asked(fact: &AttendanceFact) -> Option<&Check> {
    if let AttendanceFact::CheckAsked(check) = fact {
        Some(check)
    } else {
        None
    }
}

fn drawn(
    seed: &Seed,
    policy: &ClassroomPolicy,
    check: &Check,
    (ordinal, due_clock_ms): (u32, u64),
    expected_ordinal: u32,
) -> Result<(), &'static str> {
    let raw = recompute(seed, policy, ordinal).ok_or("order")?;
    if ordinal != expected_ordinal {
        Err("order")
    } else if due_clock_ms != raw.due_clock_ms {
        Err("time")
    } else if check.clock_ms < due_clock_ms {
        Err("early")
    } else {
        Ok(())
    }
}

// An empty bank is the only thing that changes what was drawn for a route.
fn kind(
    seed: &Seed,
    policy: &ClassroomPolicy,
    check: &Check,
    (ordinal, route): (u32, Route),
) -> Result<(), &'static str> {
    let figures = policy.figures();
    let raw = recompute(seed, policy, ordinal).ok_or("order")?;
    let expected = asked_kind(raw.kind, route, figures);
    let faces = figures.face_checks && route == Route::Camera;
    let instead = match expected {
        CheckKind::Question => without_question(faces, figures),
        CheckKind::Presence | CheckKind::Face | CheckKind::Action => expected,
    };
    if check.kind == expected || check.kind == instead {
        Ok(())
    } else {
        Err("kind")
    }
}

// The act that each try asked for is the drawn one.
fn gesture(seed: &Seed, facts: &[AttendanceFact], fact: &AttendanceFact) -> Result<(), Mismatch> {
    let AttendanceFact::CheckFound {
        check,
        attempt,
        gesture: Some(gesture),
        ..
    } = fact
    else {
        return Ok(());
    };
    let known = facts
        .iter()
        .filter_map(asked)
        .find(|known| known.id == *check);
    let number = known.map_or(u32::MAX, |known| known.number);
    if known.is_some() && gesture_of(seed, number, *attempt) == *gesture {
        Ok(())
    } else {
        Err(Mismatch::Check {
            number,
            what: "gesture",
        })
    }
}

// The check owed after a failure follows the end it stands behind by the drawn delay.
fn ladder(
    seed: &Seed,
    policy: &ClassroomPolicy,
    facts: &[AttendanceFact],
    pair: &[AttendanceFact],
) -> Result<(), Mismatch> {
    let (
        AttendanceFact::CheckEnded { check, at, .. },
        AttendanceFact::CheckOwed {
            not_before,
            cause: Cause::Ladder { .. },
        },
    ) = (&pair[0], &pair[1])
    else {
        return Ok(());
    };
    let number = facts
        .iter()
        .filter_map(asked)
        .find(|known| known.id == *check);
    let number = number.map_or(u32::MAX, |known| known.number);
    let expected: DateTime<Utc> = *at + millis(ladder_delay_ms(seed, policy, number));
    if *not_before == expected {
        Ok(())
    } else {
        Err(Mismatch::Check {
            number,
            what: "ladder",
        })
    }
}
