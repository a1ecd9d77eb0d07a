//! One simulated learner from the door to the end, by the real rules.

use chrono::{DateTime, TimeDelta, Utc};

use super::behaviour::{Model, Sitter, answers_after, cuts, finding};
use super::chance::Chance;
use super::{Class, Lived};
use crate::domain::classroom::attendance::{
    Attendance, AttendanceFact, Command, Context, Link, Phase, Terms, verify,
};
use crate::domain::classroom::check::{Answer, CheckKind};
use crate::domain::classroom::credit::Verdict;
use crate::domain::classroom::lesson::Lesson;
use crate::domain::classroom::quiz::Question;
use crate::domain::classroom::schedule::Seed;
use crate::domain::classroom::span::{Span, subtract, total_millis, within};
use crate::domain::face::finding::Grounds;
use crate::domain::id::{AccountId, AttendanceId, CheckId, ParticipantId};

/// A room tells who is there so often.
const PRESENCE: TimeDelta = TimeDelta::seconds(5);
/// A burst of pictures takes so long.
const BURST: TimeDelta = TimeDelta::seconds(5);
/// One look in so many finds the queue of the eyes full.
const BUSY_SHARE: f64 = 0.002;
/// Of so many learners one has all draws recomputed from the facts.
const VERIFIED_ONE_IN: u32 = 20;
/// A class that is over for so long leaves nothing open.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

struct Run<'a> {
    class: &'a Class,
    lesson: Lesson,
    attendance: Attendance,
    facts: Vec<AttendanceFact>,
    chance: Chance,
    model: Model,
    now: DateTime<Utc>,
    stay: u32,
    cuts: Vec<Span>,
    up: Vec<Span>,
    up_since: Option<DateTime<Utc>>,
    leaves_at: Option<DateTime<Utc>>,
    seen_from: DateTime<Utc>,
    deadline: Option<DateTime<Utc>>,
    answering: Option<(CheckId, Option<DateTime<Utc>>)>,
    looking: Option<DateTime<Utc>>,
}

/// Plays one learner of a class.
pub(super) fn live(class: &Class, number: u32) -> Lived {
    let mut run = Run::enter(class, number);
    while run.step() {}
    run.lived(number.is_multiple_of(VERIFIED_ONE_IN))
}

impl<'a> Run<'a> {
    fn enter(class: &'a Class, number: u32) -> Self {
        let chance = Chance::new(class.seed, number);
        let model = Model::of(number);
        let enters = class.starts_at + seconds(chance.between(0.0, 60.0));
        let mut lesson = class.lesson.clone();
        class.advance(&mut lesson, class.starts_at, enters);
        let seed = Seed::new(&chance);
        let id = AttendanceId::new(enters, &chance);
        let account = AccountId::new(enters, &chance);
        let first = Attendance::open(id, account, &lesson, Terms::default(), &seed, enters);
        #[expect(clippy::expect_used, reason = "the fact was made with this seed")]
        let attendance = Attendance::from_first(&first, seed).expect("its first fact");
        let lesson_s = (class.ends_at - enters).num_seconds() as f64;
        let cuts = cuts(model, lesson_s, &chance);
        let cut = |(at, length): &(f64, f64)| {
            let from = enters + seconds(*at);
            Span::new(from, from + seconds(*length))
        };
        let mut run = Self {
            class,
            lesson,
            attendance,
            facts: vec![first],
            cuts: cuts.iter().map(cut).collect(),
            chance,
            model,
            now: enters,
            stay: 0,
            up: Vec::new(),
            up_since: None,
            leaves_at: None,
            seen_from: enters,
            deadline: None,
            answering: None,
            looking: None,
        };
        run.act(&Command::Enter { device: "device" });
        run.connect();
        run
    }

    /// Goes to the next moment at which anything happens; false when all is over.
    fn step(&mut self) -> bool {
        let over = matches!(self.attendance.phase(), Phase::Closed { .. });
        if over || self.now > self.class.ends_at + PATIENCE {
            return false;
        }
        let before = self.now;
        let answer = self.answering.and_then(|(_, at)| at);
        let cut = self.cuts.iter().flat_map(|cut| [cut.from, cut.to]);
        let cut = cut.filter(|at| *at > before).min();
        let class = self.class.changes_after(before);
        let next = [self.deadline, answer, self.looking, cut, class];
        let next = next.into_iter().flatten().min();
        let presence = self.seen_from + PRESENCE;
        self.now = next.map_or(presence, |at| at.min(presence)).max(before);
        let changed = self.class.advance(&mut self.lesson, before, self.now);
        if changed {
            self.deadline = Some(self.now);
        }
        self.network();
        if self.now >= presence {
            self.presence();
        }
        self.due();
        self.behave();
        true
    }

    fn act(&mut self, command: &Command<'_>) -> bool {
        let context = Context {
            now: self.now,
            entropy: &self.chance,
            lesson: &self.lesson,
            bank: &self.class.bank,
            elsewhere: &[],
            earned_today_s: 0,
            round_trip_ms: 80,
        };
        // A refusal is what a forged answer gets.
        let facts = self.attendance.decide(command, &context);
        let facts = facts.unwrap_or_default();
        let mut news = false;
        for fact in facts {
            news |= !matches!(fact, AttendanceFact::Alive(_));
            self.attendance.apply(&fact);
            self.facts.push(fact);
        }
        if news {
            self.deadline = self.attendance.next_deadline(&self.lesson, self.now);
        }
        news
    }

    fn connect(&mut self) {
        self.stay += 1;
        let stay = ParticipantId(uuid::Uuid::from_u128(u128::from(self.stay)));
        self.act(&Command::LinkUp { stay });
        self.up_since = Some(self.now);
        self.seen_from = self.now;
    }

    fn network(&mut self) {
        let cut = self.cuts.iter().any(|cut| cut.contains(self.now));
        match (cut, self.up_since) {
            (true, Some(since)) => {
                self.act(&Command::LinkDown {
                    stay: None,
                    left: false,
                });
                self.up.push(Span::new(since, self.now));
                self.up_since = None;
            }
            (false, None) => self.connect(),
            (true, None) | (false, Some(_)) => {}
        }
    }

    // What the room sees; a forged heartbeat from behind a cut adds nothing to it.
    fn presence(&mut self) {
        let window = Span::new(self.seen_from, self.now);
        self.seen_from = self.now;
        if self.up_since.is_some() && self.lesson.is_running() {
            self.act(&Command::Alive(window));
            self.attendance.observe(window);
        }
        if self.leaves_at.is_none() && self.attendance.is_signed_in() {
            let stays_s = match self.model {
                Model::Proxy if self.chance.happens(0.5) => self.chance.between(0.0, 1_200.0),
                Model::Honest | Model::Flaky | Model::Idle | Model::Proxy | Model::Scripted => 0.0,
            };
            self.leaves_at = Some(self.now + seconds(stays_s));
        }
    }

    fn due(&mut self) {
        for _ in 0..8 {
            if self.deadline.is_none_or(|at| at > self.now) {
                return;
            }
            if !self.act(&Command::Due) {
                let next = self.attendance.next_deadline(&self.lesson, self.now);
                self.deadline = next.map(|at| at.max(self.now + TimeDelta::seconds(1)));
            }
        }
    }

    fn sitter(&self) -> Sitter {
        let left = self.leaves_at.is_some_and(|at| at <= self.now);
        match self.model {
            Model::Idle if left => Sitter::Nobody,
            Model::Proxy if left => Sitter::SomebodyElse,
            Model::Scripted => Sitter::Clip,
            Model::Honest | Model::Flaky | Model::Idle | Model::Proxy => Sitter::Learner,
        }
    }

    fn behave(&mut self) {
        if self.up_since.is_none() {
            (self.looking, self.answering) = (None, None);
            return;
        }
        self.look();
        let prompt = self.attendance.open_check();
        let prompt = prompt.filter(|check| !check.kind.shows_identity());
        let prompt = prompt.map(|check| (check.id, check.asked_at));
        match (prompt, self.answering) {
            (Some((id, asked_at)), planned) if planned.is_none_or(|(known, _)| known != id) => {
                if self.model == Model::Scripted {
                    self.forge(id);
                }
                let after = answers_after(self.model, self.sitter(), &self.chance);
                let at = after.map(|after| asked_at + seconds(after));
                self.answering = Some((id, at));
            }
            (_, Some((id, Some(at)))) if at <= self.now => {
                self.answering = Some((id, None));
                self.answer(id);
            }
            (Some(_) | None, _) => {}
        }
    }

    fn look(&mut self) {
        let wanted = self.attendance.look_wanted(self.now);
        match (wanted, self.looking) {
            (None, _) => self.looking = None,
            (Some(_), None) => self.looking = Some(self.now + BURST),
            (Some(look), Some(at)) if at <= self.now => {
                let check = look.check;
                self.looking = None;
                if self.chance.happens(BUSY_SHARE) {
                    self.act(&Command::EyesBusy { check });
                    return;
                }
                let (nonce, finding) = (&look.nonce, finding(self.sitter(), &look, &self.chance));
                self.act(&Command::Found {
                    check,
                    nonce,
                    finding,
                    grounds: &Grounds::default(),
                });
                let goes_on = self.attendance.look_wanted(self.now).is_some();
                self.looking = goes_on.then(|| self.now + BURST);
            }
            (Some(_), Some(_)) => {}
        }
    }

    // Too early, with a nonce that a program may guess.
    fn forge(&mut self, check: CheckId) {
        let by = self.attendance.account();
        self.act(&Command::Answer {
            by,
            check,
            nonce: "0123456789abcdef0123456789abcdef",
            answer: &Answer::Present,
            question: None,
        });
    }

    fn answer(&mut self, id: CheckId) {
        let known = self.attendance.checks().iter().find(|check| check.id == id);
        let Some(check) = known.cloned() else { return };
        let nonce = self.attendance.open_nonce().unwrap_or_default();
        let by = self.attendance.account();
        let class = self.class;
        let question = check.question.as_ref().and_then(|draw| {
            let mut bank = class.bank.iter();
            bank.find(|known| known.id() == draw.question)
        });
        let answer = match (check.kind, question, &check.question) {
            (CheckKind::Question, Some(question), Some(draw)) => {
                let right = self.chance.happens(0.85);
                let shown = question.shown(draw).into_iter();
                let mut fit = shown.filter(|option| is_right(question, &option.text) == right);
                Answer::Keys(fit.next().map(|option| option.key).into_iter().collect())
            }
            _ => Answer::Present,
        };
        self.act(&Command::Answer {
            by,
            check: id,
            nonce: &nonce,
            answer: &answer,
            question,
        });
    }

    fn lived(mut self, proved: bool) -> Lived {
        if let Link::Up { .. } = self.attendance.link() {
            let since = self.up_since.unwrap_or(self.now);
            self.up.push(Span::new(since, self.now));
        }
        let statement = self.attendance.statement(&self.lesson, &[], 0, self.now);
        let held = Span::new(self.class.starts_at, self.class.ends_at);
        let breaks = self.lesson.breaks_until(self.now);
        let connected = subtract(&within(&self.up, &held), &breaks);
        let left_at = self.leaves_at.unwrap_or(held.to);
        let after = Span::new(left_at, held.to);
        let credited = statement.credited_spans();
        let rows = statement.stretches.iter();
        let rows = rows.filter(|row| row.verdict == Verdict::Credited);
        Lived {
            model: self.model,
            credited_s: statement.credited_s,
            connected_s: total_millis(&connected) / 1_000,
            credited_after_leaving_s: total_millis(&within(&credited, &after)) / 1_000,
            stretch_max_s: rows.map(|row| row.seconds).max().unwrap_or(0),
            checks: self.attendance.checks().len() as u64,
            reviewed: self.attendance.needs_review(),
            disproved: proved && verify(&self.facts).is_err(),
            gap_s: self.class.gap_of(&self.attendance),
        }
    }
}

fn is_right(question: &Question, text: &str) -> bool {
    let mut options = question.options().iter();
    options.any(|option| option.correct && option.text == text)
}

fn seconds(count: f64) -> TimeDelta {
    TimeDelta::milliseconds((count * 1_000.0) as i64)
}
