//! What may be said in a lesson's chat, when, and whom it reaches.

use super::lesson::{Lesson, LessonState};
use crate::domain::refusal::{Refusal, RefusalKind};

/// Longest message, characters: a lesson's chat is for sentences.
pub const MESSAGE_CHARS_MAX: usize = 500;
/// Most messages of one person within [`HURRY_SECONDS`].
pub const HURRY_MAX: u32 = 10;
/// Over which time messages are counted, seconds.
pub const HURRY_SECONDS: u32 = 10;
/// Most messages of one lesson.
pub const MESSAGES_MAX: u32 = 20_000;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Gives the lesson or watches over it.
    Staff,
    /// Takes it.
    Learner,
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everybody of the lesson.
    Everybody,
    /// Staff and whoever sent it.
    Staff,
}

impl Reach {
    /// The name stored and sent.
    pub fn name(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Staff => "staff",
        }
    }
}

impl std::str::FromStr for Reach {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Everybody, Self::Staff]
            .into_iter()
            .find(|reach| reach.name() == text)
            .ok_or_else(|| format!("unknown reach of a message {text:?}"))
    }
}

/// What a decision about a message reads.
#[derive(Clone, Copy, Debug)]
pub struct Hall<'a> {
    /// The lesson.
    pub lesson: &'a Lesson,
    /// The sender has entered the lesson, or is of its staff.
    pub entered: bool,
    /// Learners enrolled.
    pub learners: u32,
    /// A question is open for somebody in class.
    pub question_open: bool,
    /// Messages of this person in the last [`HURRY_SECONDS`].
    pub recent: u32,
    /// Messages of the lesson.
    pub total: u32,
}

/// A message that may be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its words.
    pub text: String,
    /// Whom it is for.
    pub reach: Reach,
    /// Other learners see it only when the questions that are open now are over.
    pub held: bool,
}

/// What becomes of a message. Refuses with `chat.text`, `chat.not_here`, `chat.too_fast`,
/// `chat.full`, `chat.stopped` or `lesson.not_live`.
///
/// Where learners do not meet each other they are not heard by each other either.
pub fn say(voice: Voice, text: &str, hall: &Hall<'_>) -> Result<Said, Refusal> {
    let text = words(text)?;
    match (hall.lesson.state(), voice) {
        (LessonState::Live { .. } | LessonState::Break { .. }, _)
        | (LessonState::Scheduled, Voice::Staff) => {}
        (LessonState::Scheduled, Voice::Learner)
        | (LessonState::Ended { .. } | LessonState::Cancelled { .. }, _) => {
            return Err(hall.lesson.not_live());
        }
    }
    if !hall.entered {
        return Err(Refusal::new(
            RefusalKind::Conflict,
            "chat.not_here",
            "请先进入课堂再发消息。",
            "Enter the class before you write.",
        ));
    }
    if hall.lesson.is_hushed() && voice == Voice::Learner {
        return Err(Refusal::new(
            RefusalKind::Conflict,
            "chat.stopped",
            "老师暂停了互动，请先听课，稍后再发。",
            "The teacher has stopped interaction; listen for now and write later.",
        ));
    }
    if hall.recent >= HURRY_MAX {
        return Err(Refusal::new(
            RefusalKind::Limited,
            "chat.too_fast",
            "消息发得太快了，请稍等几秒。",
            "That was too many messages at once; wait a few seconds.",
        ));
    }
    if hall.total >= MESSAGES_MAX {
        return Err(Refusal::new(
            RefusalKind::Limited,
            "chat.full",
            "这节课的消息太多了，不能再发。",
            "There are too many messages in this lesson.",
        ));
    }
    let apart = hall.learners > hall.lesson.policy().figures().together_max;
    Ok(match voice {
        Voice::Staff => Said {
            text,
            reach: Reach::Everybody,
            held: false,
        },
        Voice::Learner if apart => Said {
            text,
            reach: Reach::Staff,
            held: false,
        },
        Voice::Learner => Said {
            text,
            reach: Reach::Everybody,
            held: hall.question_open,
        },
    })
}

fn words(text: &str) -> Result<String, Refusal> {
    let legal = |character: &char| !character.is_control() || *character == '\n';
    let text: String = text.trim().chars().filter(legal).collect();
    match text.chars().count() {
        1..=MESSAGE_CHARS_MAX => Ok(text),
        _ => Err(Refusal::new(
            RefusalKind::Invalid,
            "chat.text",
            "消息应为 1 至 500 个字。",
            "A message has 1 to 500 characters.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use uuid::Uuid;

    use super::*;
    use crate::domain::classroom::lesson::{LessonCommand, Plan};
    use crate::domain::classroom::policy::ClassroomPolicy;
    use crate::domain::id::{AccountId, LessonId, UnitId};

    fn lesson(orders: &[LessonCommand]) -> Lesson {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let plan = Plan {
            title: "Law".into(),
            starts_at: now,
            ends_at: now + TimeDelta::hours(1),
        };
        let (id, unit, teacher) = (Uuid::nil(), Uuid::nil(), Uuid::nil());
        let (id, unit, teacher) = (LessonId(id), UnitId(unit), AccountId(teacher));
        let first = Lesson::schedule(id, unit, teacher, plan, ClassroomPolicy::standard());
        let mut lesson = Lesson::from_first(&first.unwrap()).unwrap();
        for order in orders {
            let facts = lesson.decide(order, now).unwrap();
            facts.iter().for_each(|fact| lesson.apply(fact));
        }
        lesson
    }

    fn hall(lesson: &Lesson) -> Hall<'_> {
        Hall {
            lesson,
            entered: true,
            learners: 30,
            question_open: false,
            recent: 0,
            total: 0,
        }
    }

    #[test]
    fn while_a_question_is_open_learners_are_held_and_staff_are_not() {
        let lesson = lesson(&[LessonCommand::Start]);
        let asked = Hall {
            question_open: true,
            ..hall(&lesson)
        };
        assert!(say(Voice::Learner, "B?", &asked).unwrap().held);
        assert!(!say(Voice::Staff, "Think!", &asked).unwrap().held);
        assert!(!say(Voice::Learner, "Thanks", &hall(&lesson)).unwrap().held);
    }

    #[test]
    fn learners_who_do_not_meet_are_heard_by_staff_alone() {
        let lesson = lesson(&[LessonCommand::Start]);
        let large = Hall {
            learners: 101,
            ..hall(&lesson)
        };
        assert_eq!(
            say(Voice::Learner, "?", &large).unwrap().reach,
            Reach::Staff
        );
        assert_eq!(
            say(Voice::Staff, "!", &large).unwrap().reach,
            Reach::Everybody
        );
        let small = Hall {
            learners: 100,
            ..hall(&lesson)
        };
        assert_eq!(
            say(Voice::Learner, "?", &small).unwrap().reach,
            Reach::Everybody
        );
    }

    #[test]
    fn where_interaction_is_stopped_staff_alone_are_heard() {
        let lesson = lesson(&[LessonCommand::Start, LessonCommand::Interaction(false)]);
        let refused = say(Voice::Learner, "but", &hall(&lesson)).unwrap_err();
        assert_eq!(refused.code, "chat.stopped");
        assert!(say(Voice::Staff, "listen", &hall(&lesson)).is_ok());
    }

    #[test]
    fn one_speaks_in_class_with_measure() {
        let running = lesson(&[LessonCommand::Start]);
        let code = |voice, text: &str, hall: &Hall<'_>| say(voice, text, hall).unwrap_err().code;
        assert_eq!(code(Voice::Learner, " \n", &hall(&running)), "chat.text");
        assert_eq!(
            code(Voice::Learner, &"字".repeat(501), &hall(&running)),
            "chat.text"
        );
        let outside = Hall {
            entered: false,
            ..hall(&running)
        };
        assert_eq!(code(Voice::Learner, "hello", &outside), "chat.not_here");
        let hurried = Hall {
            recent: HURRY_MAX,
            ..hall(&running)
        };
        assert_eq!(code(Voice::Learner, "hello", &hurried), "chat.too_fast");
        let full = Hall {
            total: MESSAGES_MAX,
            ..hall(&running)
        };
        assert_eq!(code(Voice::Staff, "hello", &full), "chat.full");
        let over = lesson(&[LessonCommand::Start, LessonCommand::End]);
        assert_eq!(code(Voice::Staff, "hello", &hall(&over)), "lesson.not_live");
        let planned = lesson(&[]);
        assert_eq!(
            code(Voice::Learner, "hello", &hall(&planned)),
            "lesson.not_live"
        );
        assert!(say(Voice::Staff, "hello", &hall(&planned)).is_ok());
        let clean = say(Voice::Learner, " a\u{7}b\nc ", &hall(&running)).unwrap();
        assert_eq!(clean.text, "ab\nc");
    }
}
