//! Films that count: checks during playback, and what was withheld is made up.

use std::time::Duration;

use mingtang::domain::actor::Actor;
use mingtang::domain::classroom::check::Answer;
use mingtang::domain::id::{AttendanceId, LessonId, ParticipantId};
use mingtang::media::room::{Presence, RoomFact};
use mingtang::media::signal::LeaveReason;
use mingtang::service::Context;
use mingtang::service::classroom;
use mingtang::service::classroom::view::PromptView;
use mingtang::store;
use serde_json::{Value, json};
use uuid::Uuid;

use super::playing::{FILM_MS, School};
use crate::classroom::class::{actor, take_in};

/// A learner before a film that counts, with the room of that lesson.
struct Student {
    school: School,
    me: Actor,
    play: Value,
    lesson: LessonId,
    attendance: AttendanceId,
    stay: u128,
    next_segment: u64,
    steps: u64,
    /// Answers every prompt within five seconds.
    attentive: bool,
}

impl Student {
    async fn sit(school: School) -> Self {
        let learner = school.server.demo.learners[0];
        let me = actor(&school.server.world.context, learner).await;
        let mut student = Self {
            school,
            me,
            play: Value::Null,
            lesson: LessonId(Uuid::nil()),
            attendance: AttendanceId(Uuid::nil()),
            stay: 0,
            next_segment: 0,
            steps: 0,
            attentive: true,
        };
        student.open().await;
        student
    }

    fn context(&self) -> &Context {
        &self.school.server.world.context
    }

    /// Opens the player and goes into the room.
    async fn open(&mut self) {
        self.play = self.school.play().await;
        let lesson = self.play["earned"]["lesson_id"]
            .as_str()
            .expect("a lesson that counts");
        self.lesson = lesson.parse().unwrap();
        let seat = classroom::join(self.context(), &self.me, self.lesson, "phone").await;
        self.attendance = seat.unwrap().attendance.unwrap();
        self.connect().await;
    }

    async fn connect(&mut self) {
        self.stay += 1;
        self.tell(RoomFact::Connected {
            participant: ParticipantId(Uuid::from_u128(self.stay)),
            identity: self.me.account.to_string(),
            at: self.context().now(),
            setup: Duration::from_millis(20),
        })
        .await;
    }

    async fn leave(&self) {
        self.tell(RoomFact::Left {
            participant: ParticipantId(Uuid::from_u128(self.stay)),
            identity: self.me.account.to_string(),
            at: self.context().now(),
            reason: LeaveReason::ClientInitiated,
        })
        .await;
    }

    async fn tell(&self, fact: RoomFact) {
        take_in(self.context(), &classroom::room_name(self.lesson), &fact).await;
    }

    async fn presence(&self) {
        let one = Presence {
            identity: self.me.account.to_string(),
            participant: ParticipantId(Uuid::from_u128(self.stay)),
            connected: true,
            // A room of one sends nothing.
            delivered_packets: 0,
            acknowledges: true,
            sent_packets: 0,
            received_packets: 0,
            round_trip: Some(Duration::from_millis(40)),
        };
        let (at, present) = (self.context().now(), vec![one]);
        self.tell(RoomFact::Presence { at, present }).await;
    }

    async fn prompt(&self) -> Option<PromptView> {
        let mut db = self.context().store.reader().await.unwrap();
        let stored = store::attendance::find(&mut db, self.attendance)
            .await
            .unwrap()
            .unwrap();
        PromptView::of(&mut db, &stored.attendance, self.context().now())
            .await
            .unwrap()
    }

    async fn fetch(&mut self) {
        while self
            .school
            .segment(&self.play, self.next_segment)
            .await
            .status
            == 200
        {
            self.next_segment += 1;
        }
    }

    /// Five seconds of everything; the film stands still while a prompt is open.
    async fn step(&mut self, position_ms: u64) -> bool {
        self.steps += 1;
        if self.steps.is_multiple_of(60) {
            self.school.renew().await;
        }
        self.fetch().await;
        let shown = self.prompt().await.is_none();
        self.school.beat(&self.play, position_ms, shown).await;
        self.school.pass(5).await;
        let moved = position_ms + if shown { 5_000 } else { 0 };
        let heard = self.school.beat(&self.play, moved, shown).await;
        assert_eq!(heard.status, 200, "{heard:?}");
        self.presence().await;
        self.answer().await;
        shown
    }

    async fn answer(&self) {
        classroom::run_due(self.context()).await.unwrap();
        let Some(prompt) = self.prompt().await.filter(|_| self.attentive) else {
            return;
        };
        let (check, nonce) = (prompt.check_id, &prompt.nonce);
        classroom::answer(self.context(), &self.me, check, nonce, &Answer::Present)
            .await
            .unwrap();
    }

    /// Watches a stretch of the film.
    async fn watch(&mut self, from_ms: u64, to_ms: u64) {
        let mut position_ms = from_ms;
        while position_ms < to_ms {
            if self.step(position_ms).await {
                position_ms += 5_000;
            }
        }
    }

    async fn sign_out(&mut self) {
        let path = format!("/api/course-lessons/{}/sign-out", self.school.lesson);
        let done = self.school.learner.post(&path, json!({})).await;
        assert_eq!(done.status, 204, "{done:?}");
        self.close().await;
    }

    /// Lets the last check be made.
    async fn close(&mut self) {
        for _ in 0..40 {
            self.school.pass(1).await;
            self.answer().await;
        }
    }

    async fn earned(&self) -> Value {
        let path = format!("/api/course-lessons/{}/earned", self.school.lesson);
        let earned = self.school.learner.get(&path).await;
        assert_eq!(earned.status, 200, "{earned:?}");
        earned.json()
    }

    async fn credited_s(&self) -> u64 {
        let mine = self.school.learner.get("/api/me/courses").await.json();
        mine["items"][0]["chapters"][0]["lessons"][0]["credited_s"]
            .as_u64()
            .unwrap()
    }
}

async fn counting() -> Student {
    Student::sit(School::counting("hours").await).await
}

const FILM_S: u64 = FILM_MS / 1_000;

#[tokio::test]
async fn a_film_watched_with_every_check_passed_earns_its_length_and_no_more() {
    let mut student = counting().await;
    student.watch(0, FILM_MS).await;
    student.close().await;
    let credited_s = student.credited_s().await;
    assert!((FILM_S - 5..=FILM_S).contains(&credited_s), "{credited_s}");
    let earned = student.earned().await;
    assert_eq!(earned["make_up"], json!([]), "{earned}");
    // It replays freely, and earns nothing.
    let again = student.school.play().await;
    assert_eq!(again["earned"]["lesson_id"], Value::Null);
    assert_eq!(again["state"]["finished"], true);
    // It stands in the learner's record like any lesson.
    let record = student
        .school
        .learner
        .get("/api/me/attendances")
        .await
        .json();
    assert_eq!(record["items"][0]["credited_seconds"], credited_s);
}

#[tokio::test]
async fn what_a_missed_check_withholds_is_made_up_by_watching_just_that_again() {
    let mut student = counting().await;
    // The first check is missed, the next ones are not.
    student.attentive = false;
    let mut position_ms = 0;
    while student.prompt().await.is_none() {
        student.watch(position_ms, position_ms + 5_000).await;
        position_ms += 5_000;
    }
    while student.prompt().await.is_some() {
        student.step(position_ms).await;
    }
    student.attentive = true;
    student.watch(position_ms, FILM_MS).await;
    student.close().await;
    let before_s = student.credited_s().await;
    let earned = student.earned().await;
    let make_up = earned["make_up"].as_array().unwrap();
    assert_eq!(make_up.len(), 1, "{earned}");
    let (from_ms, to_ms) = (
        make_up[0]["from_ms"].as_u64().unwrap(),
        make_up[0]["to_ms"].as_u64().unwrap(),
    );
    assert_eq!(from_ms, 0);
    assert!(
        to_ms >= position_ms,
        "back to the last pass and up to the next: {to_ms}"
    );
    assert!(before_s + (to_ms - from_ms) / 1_000 >= FILM_S - 5);

    student.open().await;
    student.watch(from_ms, to_ms + 60_000).await;
    student.sign_out().await;
    assert_eq!(student.earned().await["make_up"], json!([]));
    let credited_s = student.credited_s().await;
    assert!(
        (FILM_S - 6..=FILM_S + 1).contains(&credited_s),
        "{credited_s}"
    );
}

#[tokio::test]
async fn looking_at_the_same_minute_again_and_again_earns_it_once() {
    let mut student = counting().await;
    for _ in 0..8 {
        student.watch(0, 60_000).await;
    }
    student.sign_out().await;
    let credited_s = student.credited_s().await;
    assert!(credited_s <= 61, "{credited_s}");
}

#[tokio::test]
async fn a_player_that_claims_to_play_but_gets_nothing_new_earns_nothing() {
    let mut student = counting().await;
    student.watch(0, 20_000).await;
    // Forged beats: the position leaps about, hidden and shown by turns.
    for round in 0..60_u64 {
        student
            .school
            .beat(&student.play, FILM_MS - round, round % 3 != 0)
            .await;
        student.school.pass(5).await;
        student.presence().await;
        student.answer().await;
    }
    student.sign_out().await;
    let credited_s = student.credited_s().await;
    let handed_over_s = student.next_segment * 4;
    assert!(
        credited_s <= handed_over_s + 1,
        "{credited_s} of {handed_over_s}"
    );
}

#[tokio::test]
async fn who_leaves_without_signing_out_makes_up_what_no_pass_closed() {
    let mut student = counting().await;
    student.watch(0, 300_000).await;
    student.leave().await;
    student.school.pass(13 * 3_600).await;
    classroom::run_due(student.context()).await.unwrap();
    let credited_s = student.credited_s().await;
    let earned = student.earned().await;
    assert_eq!(
        earned["lesson_id"],
        Value::Null,
        "the lesson is over: {earned}"
    );
    let left = earned["make_up"].as_array().unwrap();
    let left_ms: u64 = left
        .iter()
        .map(|span| span["to_ms"].as_u64().unwrap() - span["from_ms"].as_u64().unwrap())
        .sum();
    assert!(credited_s + left_ms / 1_000 >= 295, "{credited_s} {earned}");

    let goes_on_ms = left[0]["from_ms"].as_u64().unwrap();
    student.open().await;
    student.watch(goes_on_ms, FILM_MS).await;
    student.close().await;
    let credited_s = student.credited_s().await;
    assert!((FILM_S - 8..=FILM_S).contains(&credited_s), "{credited_s}");
}

#[tokio::test]
async fn a_lesson_that_one_takes_alone_is_nobody_elses() {
    let student = counting().await;
    let (context, demo) = (student.context(), &student.school.server.demo);
    for other in [demo.teacher, demo.officer, demo.learners[1]] {
        let other = actor(context, other).await;
        let refused = classroom::join(context, &other, student.lesson, "laptop").await;
        let Err(mingtang::service::Error::Refused(refusal)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(refusal.code, "lesson.not_found");
    }
    for client in [&student.school.teacher, &student.school.learner] {
        let listed = client.get("/api/lessons?scope=today").await.json();
        let ids = listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["id"]);
        assert!(
            !ids.collect::<Vec<_>>()
                .contains(&&json!(student.lesson.to_string()))
        );
    }
}

#[tokio::test]
async fn a_film_that_is_begun_promises_no_hours() {
    let student = counting().await;
    let hours = student.school.learner.get("/api/hours/mine").await.json();
    assert_eq!(
        hours["planned_seconds"], 0,
        "its lesson may last half a day: {hours}"
    );
}

#[tokio::test]
async fn a_course_for_progress_alone_asks_nobody_anything() {
    let school = School::counting("progress").await;
    assert_eq!(school.play().await["earned"], Value::Null);
}
