//! Lessons are played in real time, by a clock played by hand.

use chrono::TimeDelta;
use mingtang::http::App;
use mingtang::service::ledger;
use mingtang::service::library::{self, Library};
use serde_json::{Value, json};

use super::tus::uploaded;
use crate::server::{Answer, Client, Server, serve};
use mingtang::domain::library::cut::{Cut, CutFile, Rendition};

/// A course of one film of ten minutes, and its learner.
pub struct School {
    pub server: Server,
    pub teacher: Client,
    pub learner: Client,
    course: String,
    pub lesson: String,
}

/// How long the film is.
pub const FILM_MS: u64 = 600_000;

/// A film of segments that name themselves; nobody looks at them here.
async fn film(server: &Server, teacher: &Client) -> String {
    let context = &server.world.context;
    context.library.set_importer(true);
    let id = uploaded(teacher, server, b"a film").await;
    let job = library::begin(context).await.unwrap().unwrap();
    for number in 0..FILM_MS / 4_000 {
        for rendition in [Rendition::Low, Rendition::Sound] {
            let file = CutFile::Segment(rendition, number).to_string();
            std::fs::write(job.work.join(&file), &file).unwrap();
        }
    }
    std::fs::write(job.work.join("low.m3u8"), "#EXTM3U\n").unwrap();
    let cut = Cut {
        duration_ms: FILM_MS,
        renditions: vec![Rendition::Low, Rendition::Sound],
        bytes: 1,
        manifest: "00".to_owned(),
    };
    library::finish(context, &job, cut).await.unwrap();
    id
}

async fn course(server: &Server, teacher: &Client, plan: Value) -> Value {
    let mut body = json!({"title": "法治教育", "unit_id": server.demo.county.id});
    let more = plan.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    let made = teacher.post("/api/courses", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let path = format!("/api/courses/{}/learners", made["id"].as_str().unwrap());
    let learners = json!({"learner_ids": server.demo.learners});
    let set = teacher.call(reqwest::Method::PUT, &path, learners).await;
    assert_eq!(set.status, 204, "{set:?}");
    made
}

fn chapters(film: &str) -> Value {
    json!([{"title": "第一章", "lessons": [{"title": "第一节", "film_id": film}]}])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl School {
    async fn open() -> Self {
        Self::counting("progress").await
    }

    /// A course that counts for something.
    pub async fn counting(counts: &str) -> Self {
        let server = Server::start().await;
        let teacher = server.sign_in("teacher").await;
        let film = film(&server, &teacher).await;
        let plan = json!({"chapters": chapters(&film), "counts": counts});
        let made = course(&server, &teacher, plan).await;
        Self {
            course: text(&made["id"]),
            lesson: text(&made["chapters"][0]["lessons"][0]["id"]),
            learner: server.sign_in("learner1").await,
            server,
            teacher,
        }
    }

    /// Time passes; access tokens are renewed as browsers do.
    pub async fn pass(&mut self, seconds: i64) {
        self.server.world.clock.advance(TimeDelta::seconds(seconds));
        if seconds > 600 {
            self.renew().await;
        }
    }

    /// Another access token, as browsers get them in time.
    pub async fn renew(&mut self) {
        let again = self.server.sign_in("learner1").await;
        let base = self.learner.base.clone();
        self.learner = again;
        self.learner.base = base;
    }

    pub async fn play_on(&self, device: &str, take_over: bool) -> Answer {
        let path = format!("/api/course-lessons/{}/play", self.lesson);
        let body = json!({"device_id": device, "take_over": take_over});
        self.learner.post(&path, body).await
    }

    pub async fn play(&self) -> Value {
        let played = self.play_on("phone", false).await;
        assert_eq!(played.status, 200, "{played:?}");
        played.json()
    }

    pub async fn segment(&self, play: &Value, number: u64) -> Answer {
        let playback = play["playback_id"].as_str().unwrap();
        let path = format!("/api/playbacks/{playback}/media/low-{number:05}.m4s");
        self.learner.get(&path).await
    }

    pub async fn beat(&self, play: &Value, position_ms: u64, watching: bool) -> Answer {
        let playback = play["playback_id"].as_str().unwrap();
        let body = json!({"position_ms": position_ms, "playing": watching, "visible": true});
        let path = format!("/api/playbacks/{playback}/beat");
        self.learner.post(&path, body).await
    }

    /// Watches honestly, from where the playback began.
    async fn watch(&mut self, play: &Value, seconds: u64) {
        let from_ms = play["resume_ms"].as_u64().unwrap();
        let mut next = from_ms / 4_000;
        for second in (0..=seconds).step_by(5) {
            if second > 0 {
                self.pass(5).await;
            }
            while self.segment(play, next).await.status == 200 {
                next += 1;
            }
            let position_ms = from_ms + second * 1_000;
            let heard = self.beat(play, position_ms, true).await;
            assert_eq!(heard.status, 200, "{heard:?}");
        }
    }
}

#[tokio::test]
async fn a_script_at_sixteen_times_gets_429_beyond_real_time_and_thirty_seconds() {
    let school = School::open().await;
    let play = school.play().await;
    let (mut next, mut refused) = (0, 0);
    for half_second in 0..240_u64 {
        // Two segments of four seconds in half a second.
        for _ in 0..2 {
            let answer = school.segment(&play, next).await;
            match answer.status.as_u16() {
                200 => {
                    assert_eq!(answer.text, format!("low-{next:05}.m4s"));
                    next += 1;
                }
                429 => {
                    refused += 1;
                    assert_eq!(answer.code(), "playback.ahead");
                    assert_eq!(answer.headers["content-type"], "application/problem+json");
                    let wait = answer.headers["retry-after"].to_str().unwrap();
                    assert!((1..=4).contains(&wait.parse::<u64>().unwrap()));
                }
                _ => panic!("{answer:?}"),
            }
            assert!(
                next * 4_000 <= half_second * 500 + 30_000,
                "{next} at {half_second}"
            );
        }
        school
            .server
            .world
            .clock
            .advance(TimeDelta::milliseconds(500));
    }
    assert_eq!(
        next,
        (119_500 + 30_000) / 4_000,
        "all that could be watched was handed over"
    );
    assert!(refused > 300);
    // Nothing is skipped, back is free, and what does not exist is told apart.
    assert_eq!(school.segment(&play, next + 3).await.status, 429);
    assert_eq!(school.segment(&play, 0).await.status, 200);
    assert_eq!(
        school.segment(&play, 4_000).await.outcome(),
        (404, "film.no_file".into())
    );
    // All of it without a word of a player: nothing was watched.
    let state = school.beat(&play, FILM_MS, true).await.json();
    assert_eq!(state["watched_ms"], 0);
}

#[tokio::test]
async fn forged_progress_has_no_effect() {
    let mut school = School::open().await;
    let play = school.play().await;
    for _ in 0..50 {
        let state = school.beat(&play, FILM_MS, true).await.json();
        assert_eq!(
            (&state["watched_ms"], &state["finished"]),
            (&json!(0), &json!(false))
        );
    }
    school.segment(&play, 0).await;
    school.pass(10).await;
    let state = school.beat(&play, FILM_MS, true).await.json();
    assert_eq!(state["watched_ms"], 4_000, "no more than was handed over");
    let mine = school.learner.get("/api/me/courses").await.json();
    assert_eq!(mine["items"][0]["watched_s"], 4);
    assert_eq!(mine["items"][0]["complete"], false);
}

#[tokio::test]
async fn a_lesson_goes_on_ten_seconds_before_on_any_device_also_after_a_restart() {
    let mut school = School::open().await;
    let play = school.play().await;
    school.watch(&play, 60).await;
    let path = format!(
        "/api/playbacks/{}/end",
        play["playback_id"].as_str().unwrap()
    );
    assert_eq!(school.learner.post(&path, json!({})).await.status, 204);

    let mut context = school.server.world.restarted().await;
    context.library = Library::at(school.server.world.folder(), *context.library.bounds());
    school.learner.base = serve(App::new(context)).await;
    school.pass(86_400).await;
    let again = school.play_on("tablet", false).await.json();
    assert_eq!(again["resume_ms"], 50_000);
    assert_eq!(again["state"]["watched_ms"], 60_000);
    school.watch(&again, 30).await;
    let state = school.beat(&again, 80_000, true).await.json();
    assert_eq!(state["watched_ms"], 80_000);

    // A server that dies in the midst of it: the device goes on as if nothing had been.
    let context = school.server.world.restarted().await;
    school.learner.base = serve(App::new(context)).await;
    school.pass(5).await;
    assert_eq!(school.segment(&again, 0).await.status, 200);
    let state = school.beat(&again, 85_000, true).await.json();
    assert_eq!(state["watched_ms"], 85_000);
}

#[tokio::test]
async fn one_person_plays_one_lesson_at_a_time_over_all_devices() {
    let mut school = School::open().await;
    let play = school.play().await;
    let second = school.play_on("tablet", false).await;
    assert_eq!(second.outcome(), (409, "playback.elsewhere".into()));
    let taken = school.play_on("tablet", true).await.json();
    assert_eq!(
        school.segment(&play, 0).await.outcome(),
        (409, "playback.ended".into())
    );
    assert_eq!(
        school.beat(&play, 0, true).await.outcome(),
        (409, "playback.ended".into())
    );
    assert_eq!(school.segment(&taken, 0).await.status, 200);
    // Another lesson is another playback of the same person.
    let film = film(&school.server, &school.teacher).await;
    let plan = json!({"chapters": chapters(&film), "speed_percent": 150});
    let other = course(&school.server, &school.teacher, plan).await;
    let first = std::mem::replace(
        &mut school.lesson,
        text(&other["chapters"][0]["lessons"][0]["id"]),
    );
    let elsewhere = school.play_on("phone", false).await;
    assert_eq!(elsewhere.outcome(), (409, "playback.elsewhere".into()));
    // A device that fell silent holds nobody up.
    school.pass(61).await;
    let other = school.play().await;
    assert_eq!(other["speed_percent"], 150);
    assert_eq!(
        school.segment(&taken, 0).await.outcome(),
        (409, "playback.ended".into())
    );
    school.pass(61).await;
    assert_eq!(
        library::end_silent(&school.server.world.context)
            .await
            .unwrap(),
        1
    );
    assert_eq!(school.segment(&other, 0).await.status, 409);
    school.lesson = first;
    school.play().await;
    let report = ledger::verify(&school.server.world.context, None)
        .await
        .unwrap();
    assert!(report.is_sound());
}

#[tokio::test]
async fn somebody_elses_playback_and_course_are_as_if_there_were_none() {
    let school = School::open().await;
    let play = school.play().await;
    let stranger = school.server.sign_in("learner2").await;
    let path = format!(
        "/api/playbacks/{}/media/low-00000.m4s",
        play["playback_id"].as_str().unwrap()
    );
    assert_eq!(
        stranger.get(&path).await.outcome(),
        (409, "playback.ended".into())
    );
    let learners = format!("/api/courses/{}/learners", school.course);
    let none = json!({"learner_ids": []});
    school
        .teacher
        .call(reqwest::Method::PUT, &learners, none)
        .await;
    let gone = school.play_on("phone", false).await;
    assert_eq!(gone.outcome(), (404, "course.not_found".into()));
    let mine = school.learner.get("/api/me/courses").await.json();
    assert_eq!(mine["items"], json!([]));
    // Staff look at films as they like, learners do not look behind the lessons.
    let film = school.teacher.get("/api/library/films").await.json();
    let film = film["items"][0]["id"].as_str().unwrap();
    let path = format!("/api/library/films/{film}/media/low-00100.m4s");
    assert_eq!(school.teacher.get(&path).await.text, "low-00100.m4s");
    assert_eq!(
        school.learner.get(&path).await.outcome(),
        (403, "auth.forbidden".into())
    );
}

#[tokio::test]
async fn a_course_opens_when_what_it_stands_on_is_complete() {
    let mut school = School::open().await;
    let film = film(&school.server, &school.teacher).await;
    let first = school.course.clone();
    let path = format!("/api/courses/{first}");
    let shorter = json!({
        "title": "法治教育", "required_s": 20,
        "chapters": school.teacher.get(&path).await.json()["chapters"],
    });
    let changed = school
        .teacher
        .call(reqwest::Method::PUT, &path, shorter.clone())
        .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let plan = json!({"chapters": chapters(&film), "prerequisite_ids": [first]});
    let second = course(&school.server, &school.teacher, plan).await;
    let lesson = text(&second["chapters"][0]["lessons"][0]["id"]);
    let kept = std::mem::replace(&mut school.lesson, lesson);
    let locked = school.play_on("phone", false).await;
    assert_eq!(locked.outcome(), (409, "course.locked".into()));
    assert!(locked.json()["zh"].as_str().unwrap().contains("法治教育"));
    // What is built on each other does not go round.
    let mut circle = shorter;
    circle["prerequisite_ids"] = json!([second["id"]]);
    let circle = school
        .teacher
        .call(reqwest::Method::PUT, &path, circle)
        .await;
    assert_eq!(circle.outcome(), (400, "course.prerequisites".into()));

    let lesson = std::mem::replace(&mut school.lesson, kept);
    let play = school.play().await;
    school.watch(&play, 25).await;
    let mine = school.learner.get("/api/me/courses").await;
    let mine = mine.item("id", &first);
    assert_eq!(
        (&mine["watched_s"], &mine["complete"]),
        (&json!(25), &json!(true))
    );
    let rows = format!("/api/courses/{first}/progress");
    let rows = school.teacher.get(&rows).await.json();
    let done = rows["items"].as_array().unwrap().iter();
    let done: Vec<_> = done.filter(|row| row["complete"] == true).collect();
    assert_eq!((done.len(), &done[0]["watched_s"]), (1, &json!(25)));
    school.lesson = lesson;
    assert_eq!(school.play_on("phone", false).await.status, 200);
}

#[tokio::test]
async fn a_film_that_a_course_shows_stays_and_a_finished_one_replays_freely() {
    let mut school = School::open().await;
    let film = school.teacher.get("/api/library/films").await.json();
    assert_eq!(film["items"][0]["lessons"], 1);
    let path = format!(
        "/api/library/films/{}",
        film["items"][0]["id"].as_str().unwrap()
    );
    let removed = school
        .teacher
        .call(reqwest::Method::DELETE, &path, Value::Null)
        .await;
    assert_eq!(removed.outcome(), (409, "film.in_use".into()));
    let play = school.play().await;
    school.watch(&play, 600).await;
    let state = school.beat(&play, FILM_MS, true).await.json();
    assert_eq!(
        (&state["watched_ms"], &state["finished"]),
        (&json!(FILM_MS), &json!(true))
    );
    let again = school.play().await;
    assert_eq!(again["resume_ms"], 0);
    for number in [149, 3, 70] {
        assert_eq!(school.segment(&again, number).await.status, 200);
    }
    let mine = school.learner.get("/api/me/courses").await.json();
    assert_eq!(mine["items"][0]["complete"], true);
}
