//! A lesson of one hour with three learners; the room reports every five seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use mingtang::domain::actor::Actor;
use mingtang::domain::classroom::check::Answer;
use mingtang::domain::classroom::lesson::Plan;
use mingtang::domain::classroom::quiz::{Question, QuestionKind, QuestionOption};
use mingtang::domain::id::{
    AccountId, AttendanceId, LessonId, ParticipantId, QuestionId, TokenFamilyId,
};
use mingtang::media::room::{Presence, RoomFact};
use mingtang::media::signal::LeaveReason;
use mingtang::service::classroom::view::{BoardRow, PromptView};
use mingtang::service::classroom::{self, Answered, Heartbeat, NewLesson, Sighting};
use mingtang::service::demo::{self, Demo};
use mingtang::service::{Context, Error};
use mingtang::shell::classroom::Attendant;
use mingtang::store;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::support::World;

pub struct Class {
    pub world: World,
    pub context: Context,
    pub demo: Demo,
    pub lesson: LessonId,
    pub officer: Actor,
    pub teacher: Actor,
    pub learners: Vec<Actor>,
    /// Who is connected, and by which stay.
    pub here: BTreeMap<AccountId, ParticipantId>,
    /// Whose page is not in the foreground.
    pub hidden: Vec<AccountId>,
    /// Learners who answer every prompt within five seconds.
    pub attentive: Vec<AccountId>,
    pub attendances: BTreeMap<AccountId, AttendanceId>,
    /// Who takes in what the room sees, when it is not done at once.
    pub attendant: Option<Attendant>,
    stays: u128,
}

impl Class {
    /// A lesson that is live, with its teacher and all learners in the room.
    pub async fn live() -> Self {
        Self::live_in(World::new().await).await
    }

    pub async fn live_in(world: World) -> Self {
        let mut class = Self::planned_in(world).await;
        classroom::start(&class.context, &class.teacher, class.lesson)
            .await
            .unwrap();
        class.connect(class.demo.teacher).await;
        for learner in class.learners.clone() {
            class.enter(&learner, "phone").await;
        }
        class.attentive = class.demo.learners.clone();
        class
    }

    pub async fn planned() -> Self {
        Self::planned_in(World::new().await).await
    }

    async fn planned_in(world: World) -> Self {
        let context = world.context.clone();
        let demo = demo::seed(&context, "a long demo password").await.unwrap();
        let officer = actor(&context, demo.officer).await;
        let teacher = actor(&context, demo.teacher).await;
        let mut learners = Vec::new();
        for account in &demo.learners {
            learners.push(actor(&context, *account).await);
        }
        for text in ["One?", "Two?", "Three?"] {
            add_question(&context, &teacher, &demo, text).await;
        }
        let now = context.now();
        let new = NewLesson {
            unit: demo.county.id,
            plan: Plan {
                title: "社区矫正法".into(),
                starts_at: now,
                ends_at: now + TimeDelta::hours(1),
            },
            teacher: None,
            learners: demo.learners.clone(),
            face_checks: None,
        };
        let lesson = classroom::create(&context, &teacher, new).await.unwrap().id;
        Self {
            world,
            context,
            demo,
            lesson,
            officer,
            teacher,
            learners,
            here: BTreeMap::new(),
            hidden: Vec::new(),
            attentive: Vec::new(),
            attendances: BTreeMap::new(),
            attendant: None,
            stays: 0,
        }
    }

    pub async fn enter(&mut self, learner: &Actor, device: &str) {
        let seat = classroom::join(&self.context, learner, self.lesson, device)
            .await
            .unwrap();
        self.attendances
            .insert(learner.account, seat.attendance.unwrap());
        self.connect(learner.account).await;
    }

    pub async fn connect(&mut self, account: AccountId) {
        self.stays += 1;
        let participant = ParticipantId(Uuid::from_u128(self.stays));
        self.here.insert(account, participant);
        let fact = RoomFact::Connected {
            participant,
            identity: account.to_string(),
            at: self.context.now(),
            setup: Duration::from_millis(20),
        };
        self.tell(fact).await;
    }

    pub async fn disconnect(&mut self, account: AccountId, reason: LeaveReason) {
        let participant = self.here.remove(&account).unwrap();
        let identity = account.to_string();
        let at = self.context.now();
        self.tell(RoomFact::Left {
            participant,
            identity,
            at,
            reason,
        })
        .await;
    }

    async fn tell(&self, fact: RoomFact) {
        let room = classroom::room_name(self.lesson);
        match &self.attendant {
            None => take_in(&self.context, &room, &fact).await,
            Some(attendant) => {
                // With the one fact the queue ends, and so does its reader.
                let (sender, facts) = mpsc::channel(1);
                sender.try_send((room, fact)).unwrap();
                drop(sender);
                let (_running, stop) = oneshot::channel();
                attendant.clone().attend(facts, None, stop).await;
            }
        }
    }

    /// Lets time pass in steps of five seconds.
    pub async fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds / 5 {
            self.world.clock.advance(TimeDelta::seconds(5));
            for learner in self.learners.clone() {
                self.beat(&learner, "phone").await;
            }
            self.presence().await;
            classroom::run_due(&self.context).await.unwrap();
            for account in self.attentive.clone() {
                if self.prompt(account).await.is_some() {
                    self.answer_right(account).await.unwrap();
                }
            }
        }
    }

    pub async fn beat(&self, learner: &Actor, device: &str) {
        let (Some(id), true) = (
            self.attendances.get(&learner.account),
            self.here.contains_key(&learner.account),
        ) else {
            return;
        };
        let visible = !self.hidden.contains(&learner.account);
        let heartbeat = Heartbeat {
            visible,
            playing: true,
            device: device.into(),
        };
        // A device that lost its place, or a class that is over, is told so.
        let _ = classroom::heartbeat(&self.context, learner, *id, &heartbeat).await;
    }

    pub async fn presence(&self) {
        let present = self
            .here
            .iter()
            .map(|(account, participant)| Presence {
                identity: account.to_string(),
                participant: *participant,
                connected: true,
                delivered_packets: 250,
                acknowledges: true,
                sent_packets: 251,
                received_packets: 250,
                round_trip: Some(Duration::from_millis(40)),
            })
            .collect();
        self.tell(RoomFact::Presence {
            at: self.context.now(),
            present,
        })
        .await;
    }

    pub async fn prompt(&self, account: AccountId) -> Option<PromptView> {
        let id = self.attendances.get(&account)?;
        let mut db = self.context.store.reader().await.unwrap();
        let stored = store::attendance::find(&mut db, *id)
            .await
            .unwrap()
            .unwrap();
        PromptView::of(&mut db, &stored.attendance, self.context.now())
            .await
            .unwrap()
    }

    /// Lets time pass until this learner is asked.
    pub async fn until_prompt(&mut self, account: AccountId) -> PromptView {
        self.attentive.retain(|other| *other != account);
        for _ in 0..800 {
            if let Some(prompt) = self.prompt(account).await {
                return prompt;
            }
            self.pass(5).await;
        }
        panic!("no prompt within an hour");
    }

    pub async fn answer_right(&self, account: AccountId) -> Result<Answered, Error> {
        let prompt = self.prompt(account).await.unwrap();
        self.answer(account, &prompt, true).await
    }

    pub async fn answer(
        &self,
        account: AccountId,
        prompt: &PromptView,
        right: bool,
    ) -> Result<Answered, Error> {
        let actor = actor(&self.context, account).await;
        let wanted = if right { "right" } else { "wrong" };
        let answer = match &prompt.question {
            None => Answer::Present,
            Some(question) => {
                let options = question.options.iter();
                Answer::Keys(
                    options
                        .filter(|o| o.text == wanted)
                        .map(|o| o.key.clone())
                        .collect(),
                )
            }
        };
        classroom::answer(
            &self.context,
            &actor,
            prompt.check_id,
            &prompt.nonce,
            &answer,
        )
        .await
    }

    pub async fn row(&self, account: AccountId) -> BoardRow {
        let board = classroom::board(&self.context, &self.teacher, self.lesson)
            .await
            .unwrap();
        board
            .rows
            .into_iter()
            .find(|row| row.account_id == account)
            .unwrap()
    }
}

/// Takes in what a room told, at once.
pub async fn take_in(context: &Context, room: &str, fact: &RoomFact) {
    if let Some(sighting) = Sighting::of(room, fact) {
        classroom::take_in(context, &sighting, sighting.at)
            .await
            .unwrap();
    }
}

pub async fn actor(context: &Context, account: AccountId) -> Actor {
    let mut db = context.store.reader().await.unwrap();
    let person = store::person::of_account(&mut db, account)
        .await
        .unwrap()
        .unwrap();
    Actor {
        account,
        person: person.id,
        family: TokenFamilyId(Uuid::nil()),
        grants: person.grants().to_vec(),
    }
}

async fn add_question(context: &Context, by: &Actor, demo: &Demo, text: &str) {
    let option = |text: &str| QuestionOption {
        text: text.into(),
        correct: text == "right",
    };
    let options = ["right", "wrong", "other"].map(option).to_vec();
    let id = QuestionId::new(context.now(), &*context.entropy);
    let unit = demo.county.parent_id.unwrap();
    let question = Question::new(id, unit, text, QuestionKind::Single, options).unwrap();
    let mut db = context.store.begin().await.unwrap();
    store::question::insert(&mut db, &question, Some(by.account), context.now())
        .await
        .unwrap();
    db.commit().await.unwrap();
}
