//! A lesson from its plan to its end.

use uuid::Uuid;

use super::*;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn scheduled() -> Lesson {
    let plan = Plan {
        title: " Law ".into(),
        starts_at: at(0),
        ends_at: at(3_600),
    };
    let (id, unit) = (LessonId(Uuid::nil()), UnitId(Uuid::nil()));
    let policy = ClassroomPolicy::standard();
    let first = Lesson::schedule(id, unit, AccountId(Uuid::nil()), plan, policy).unwrap();
    Lesson::from_first(&first).unwrap()
}

fn play(lesson: &mut Lesson, command: LessonCommand, second: i64) -> usize {
    let facts = lesson.decide(&command, at(second)).unwrap();
    facts.iter().for_each(|fact| lesson.apply(fact));
    facts.len()
}

#[test]
fn a_lost_teacher_makes_a_break_at_once_and_the_return_ends_it() {
    let mut lesson = scheduled();
    play(&mut lesson, LessonCommand::Start, 0);
    play(&mut lesson, LessonCommand::TeacherSeen, 5);
    play(&mut lesson, LessonCommand::TeacherLost, 100);
    assert!(!lesson.is_live() && lesson.is_running());
    play(&mut lesson, LessonCommand::TeacherSeen, 580);
    assert!(lesson.is_live());
    assert_eq!(
        lesson.breaks_until(at(900)),
        vec![Span::new(at(100), at(580))]
    );
    assert_eq!(play(&mut lesson, LessonCommand::TeacherSeen, 585), 0);
}

#[test]
fn a_declared_break_outlives_the_teachers_return() {
    let mut lesson = scheduled();
    play(&mut lesson, LessonCommand::Start, 0);
    play(&mut lesson, LessonCommand::TeacherSeen, 1);
    play(&mut lesson, LessonCommand::Pause, 100);
    play(&mut lesson, LessonCommand::TeacherLost, 110);
    play(&mut lesson, LessonCommand::TeacherSeen, 120);
    assert!(!lesson.is_live());
    play(&mut lesson, LessonCommand::Resume, 130);
    assert!(lesson.is_live());
}

#[test]
fn a_lesson_that_nobody_ends_is_over_an_hour_after_its_plan() {
    let mut lesson = scheduled();
    assert_eq!(lesson.next_deadline(), None);
    play(&mut lesson, LessonCommand::Start, 0);
    play(&mut lesson, LessonCommand::Pause, 100);
    assert_eq!(play(&mut lesson, LessonCommand::Due, 7_199), 0);
    play(&mut lesson, LessonCommand::Due, 9_000);
    assert_eq!(lesson.ended_at(), Some(at(7_200)));
    assert_eq!(
        lesson.breaks_until(at(9_999)),
        vec![Span::new(at(100), at(7_200))]
    );
    assert_eq!(lesson.next_deadline(), None);
}

#[test]
fn a_refused_transition_says_what_it_found() {
    let mut lesson = scheduled();
    let refused = |lesson: &Lesson, command| lesson.decide(&command, at(50)).unwrap_err();
    assert_eq!(refused(&lesson, LessonCommand::End).code, "lesson.not_live");
    assert_eq!(
        refused(&lesson, LessonCommand::Pause).en,
        "the lesson has not started yet"
    );
    play(&mut lesson, LessonCommand::Start, 0);
    assert_eq!(
        refused(&lesson, LessonCommand::Start).code,
        "lesson.not_scheduled"
    );
    assert_eq!(
        refused(&lesson, LessonCommand::Cancel).code,
        "lesson.not_scheduled"
    );
    assert_eq!(
        refused(&lesson, LessonCommand::Resume).code,
        "lesson.not_on_break"
    );
    play(&mut lesson, LessonCommand::End, 60);
    assert_eq!(
        refused(&lesson, LessonCommand::End).en,
        "the lesson is over"
    );
    let late = scheduled()
        .decide(&LessonCommand::Start, at(3_600))
        .unwrap_err();
    assert_eq!(late.code, "lesson.over");
}

#[test]
fn a_plan_has_a_title_and_ends_after_it_starts() {
    let plan = |title: &str, end| Plan {
        title: title.into(),
        starts_at: at(0),
        ends_at: at(end),
    };
    assert_eq!(plan("x", 60).checked().unwrap().title, "x");
    assert_eq!(plan("  ", 60).checked().unwrap_err().code, "lesson.title");
    assert_eq!(
        plan(&"字".repeat(101), 60).checked().unwrap_err().code,
        "lesson.title"
    );
    assert_eq!(plan("x", 0).checked().unwrap_err().code, "lesson.times");
    assert_eq!(
        plan("x", 50_000).checked().unwrap_err().code,
        "lesson.times"
    );
}

#[test]
fn a_class_is_hushed_and_speaks_again_as_often_as_staff_say_so() {
    let mut lesson = scheduled();
    let hush = LessonCommand::Interaction(false);
    let refused = lesson.decide(&hush, at(0)).unwrap_err();
    assert_eq!(refused.code, "lesson.not_live");
    play(&mut lesson, LessonCommand::Start, 0);
    for _ in 0..2 {
        play(&mut lesson, hush.clone(), 10);
        assert!(lesson.is_hushed());
        assert_eq!(
            lesson.decide(&hush, at(11)),
            Ok(Vec::new()),
            "it is so already"
        );
        play(&mut lesson, LessonCommand::Interaction(true), 20);
        assert!(!lesson.is_hushed());
    }
}
