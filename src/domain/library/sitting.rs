//! A film that counts: which moments of real time showed which moments of the film.
//!
//! A sitting is the lesson in which one person's watching counts ([`Lesson::study`]): its
//! attendance says which moments of real time are credited, its [`Passage`]s say what was shown
//! then. So a moment of the film earns once, and what was withheld can be made up by watching just
//! that again.
//!
//! [`Lesson::study`]: crate::domain::classroom::lesson::Lesson::study

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::pacing::MediaSpan;
use crate::domain::classroom::span::Span;
use crate::domain::id::LessonId;
use crate::domain::interval::{Interval, subtract, union};
use crate::domain::refusal::{Refusal, RefusalKind};

/// What a player reports trembles by so much, milliseconds. Over a sitting real time gets no
/// further ahead of the film than this.
pub const TREMBLE_MS: u64 = 1_000;
/// What is left over between two passages of less than this is nothing to be made up, milliseconds.
pub const CRUMB_MS: u64 = 2_000;
/// Most sittings of one film.
pub const SITTINGS_MAX: usize = 100;
/// Most passages of one film; further ones are not noted, and so earn nothing.
pub const PASSAGES_MAX: usize = 1_000;
/// Passages whose speeds differ by no more than this share are one, percent.
const SAME_SPEED_PERCENT: u64 = 5;

/// A stretch of real time in which a stretch of the film was shown at an even speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// When.
    #[serde(flatten)]
    pub span: Span,
    /// What.
    #[serde(flatten)]
    pub media: MediaSpan,
}

/// One lesson of one person in which a film counts, with what was shown in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sitting {
    lesson: LessonId,
    passages: Vec<Passage>,
    spare_ms: u64,
}

impl Sitting {
    /// A sitting in which nothing was shown yet.
    pub fn new(lesson: LessonId) -> Self {
        Self {
            lesson,
            passages: Vec::new(),
            spare_ms: TREMBLE_MS,
        }
    }

    /// The lesson whose attendance says what is credited.
    pub fn lesson(&self) -> LessonId {
        self.lesson
    }

    /// What was shown when, in order of time.
    pub fn passages(&self) -> &[Passage] {
        &self.passages
    }

    /// Whether a stretch of the film was shown in part already.
    pub fn shows(&self, media: MediaSpan) -> bool {
        let common = |known: &Passage| !known.media.intersect(&media).is_empty();
        self.passages.iter().any(common)
    }

    /// Notes that until `now`, for `real_ms` at most, a stretch of the film was shown, of which
    /// `taken` earns nothing. Returns the real time that may earn: none beyond what was shown,
    /// over the whole sitting, but for [`TREMBLE_MS`].
    pub(super) fn show(
        &mut self,
        shown: MediaSpan,
        taken: &[MediaSpan],
        real_ms: u64,
        now: DateTime<Utc>,
    ) -> Option<Span> {
        let fresh = subtract(&[shown], taken);
        let fresh_ms = total_ms(&fresh);
        let most_ms = (self.spare_ms + fresh_ms).min(real_ms + TREMBLE_MS);
        let life_ms = real_ms.min(most_ms);
        if fresh_ms == 0 || life_ms == 0 || self.passages.len() >= PASSAGES_MAX {
            return None;
        }
        self.spare_ms = most_ms - life_ms;
        let life = Span::new(now - millis(life_ms), now);
        let mut before_ms = 0;
        for media in fresh {
            let from = life.from + millis(life_ms * before_ms / fresh_ms);
            before_ms += media.length_ms();
            let to = life.from + millis(life_ms * before_ms / fresh_ms);
            self.note(Passage {
                span: Span::new(from, to),
                media,
            });
        }
        Some(life)
    }

    fn note(&mut self, passage: Passage) {
        match self.passages.last_mut() {
            Some(last) if goes_on(last, &passage) => {
                last.span.to = passage.span.to;
                last.media.to_ms = passage.media.to_ms;
            }
            Some(_) | None => self.passages.push(passage),
        }
    }

    /// What of the film was shown in these moments of real time.
    pub fn shown_in(&self, spans: &[Span]) -> Vec<MediaSpan> {
        let mut shown = Vec::new();
        for passage in &self.passages {
            let inside = spans.iter().map(|span| passage.span.intersect(span));
            let inside = inside.filter(|span| !span.is_empty());
            shown.extend(inside.map(|span| passage.part(&span)));
        }
        union(&shown)
    }
}

impl Passage {
    /// What was shown in a part of the time.
    fn part(&self, span: &Span) -> MediaSpan {
        let whole_ms = self.span.millis().max(1);
        let at = |moment: DateTime<Utc>| {
            let run_ms = Span::new(self.span.from, moment).millis();
            self.media.from_ms + run_ms * self.media.length_ms() / whole_ms
        };
        MediaSpan {
            from_ms: at(span.from),
            to_ms: at(span.to),
        }
    }
}

fn goes_on(last: &Passage, next: &Passage) -> bool {
    let joined = last.span.to == next.span.from && last.media.to_ms == next.media.from_ms;
    // Media for the same real time, without dividing.
    let (one, other) = (
        last.media.length_ms() * next.span.millis(),
        next.media.length_ms() * last.span.millis(),
    );
    joined && one.abs_diff(other) <= one.max(other) * SAME_SPEED_PERCENT / 100
}

/// What of `0..watched_ms` still earns, without crumbs: neither credited nor waiting for a check.
pub fn left_to_earn(watched_ms: u64, taken: &[MediaSpan]) -> Vec<MediaSpan> {
    let watched = MediaSpan {
        from_ms: 0,
        to_ms: watched_ms,
    };
    let mut left = subtract(&[watched], taken);
    left.retain(|span| span.length_ms() >= CRUMB_MS);
    left
}

/// Length of all moments in milliseconds, each counted once.
pub fn total_ms(spans: &[MediaSpan]) -> u64 {
    union(spans).iter().map(MediaSpan::length_ms).sum()
}

fn millis(count: u64) -> TimeDelta {
    TimeDelta::milliseconds(i64::try_from(count).unwrap_or(i64::MAX / 2))
}

/// The film was begun and left too often.
pub fn too_many_sittings() -> Refusal {
    Refusal::new(
        RefusalKind::Limited,
        "study.sittings",
        "本节学习次数过多，请联系工作人员处理。",
        "This lesson was begun and ended too often. Ask the office for help.",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn at(ms: u64) -> DateTime<Utc> {
        START + millis(ms)
    }

    fn media(from_ms: u64, to_ms: u64) -> MediaSpan {
        MediaSpan { from_ms, to_ms }
    }

    fn sitting() -> Sitting {
        Sitting::new(LessonId(Uuid::nil()))
    }

    #[test]
    fn what_was_withheld_is_just_what_is_made_up() {
        let mut sitting = sitting();
        for step in 1..=60 {
            let shown = media(step * 5_000 - 5_000, step * 5_000);
            let life = sitting.show(shown, &[], 5_000, at(step * 5_000));
            assert_eq!(
                life,
                Some(Span::new(at(step * 5_000 - 5_000), at(step * 5_000)))
            );
        }
        assert_eq!(sitting.passages().len(), 1, "an even run is one passage");
        let credited = [
            Span::new(at(0), at(100_000)),
            Span::new(at(220_000), at(300_000)),
        ];
        let taken = sitting.shown_in(&credited);
        assert_eq!(taken, [media(0, 100_000), media(220_000, 300_000)]);
        assert_eq!(left_to_earn(300_000, &taken), [media(100_000, 220_000)]);
    }

    #[test]
    fn a_film_shown_at_double_speed_is_mapped_at_double_speed() {
        let mut sitting = sitting();
        sitting.show(media(0, 10_000), &[], 5_000, at(5_000));
        let taken = sitting.shown_in(&[Span::new(at(1_000), at(2_000))]);
        assert_eq!(taken, [media(2_000, 4_000)]);
    }

    #[test]
    fn crumbs_are_not_made_up() {
        let taken = [media(300, 5_000), media(6_999, 9_000)];
        assert_eq!(left_to_earn(10_000, &taken), []);
    }

    proptest! {
        // Whatever a player claims, real time earns no more than the film that was shown anew.
        #[test]
        fn credit_never_exceeds_unique_media(
            claims in prop::collection::vec((0_u64..60_000, 0_u64..20_000, 0_u64..15_000), 1..80)
        ) {
            let (mut sitting, mut now_ms, mut life) = (sitting(), 100_000, Vec::new());
            let mut seen: Vec<MediaSpan> = Vec::new();
            for (from_ms, length_ms, real_ms) in claims {
                now_ms += real_ms;
                let shown = media(from_ms, from_ms + length_ms);
                life.extend(sitting.show(shown, &seen, real_ms, at(now_ms)));
                seen.push(shown);
            }
            let lived: u64 = life.iter().map(Span::millis).sum();
            prop_assert!(lived <= total_ms(&seen) + TREMBLE_MS);
            let mapped = sitting.shown_in(&life);
            prop_assert!(total_ms(&mapped) <= total_ms(&seen));
            for passages in sitting.passages().windows(2) {
                prop_assert!(passages[0].span.to <= passages[1].span.from);
                prop_assert!(passages[0].media.intersect(&passages[1].media).is_empty());
            }
        }
    }
}
