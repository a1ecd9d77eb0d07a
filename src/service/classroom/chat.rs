//! The chat of a lesson: said over HTTP, kept by rule, and told by the event stream, so that the
//! server alone decides what reaches whom and when.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::act::{announcement, record};
use super::lessons::{run_by, seen_by};
use super::present;
use crate::domain::actor::Actor;
use crate::domain::announcement::{Announcement, Audience, Topic};
use crate::domain::beijing;
use crate::domain::classroom::chat::{self, HURRY_SECONDS, Hall, MESSAGES_MAX, Reach, Voice};
use crate::domain::classroom::lesson::LessonFact;
use crate::domain::id::{AccountId, LessonId, MessageId};
use crate::domain::policy::{self, Action, Resource};
use crate::service::reports::harmless;
use crate::service::{Context, Error, Failure, outbox};
use crate::store;
use crate::store::chat::{Message, NewMessage};
use crate::store::lesson::Listed;

/// Messages of one answer.
const LIST_MAX: u32 = 500;
/// Messages let go, or deleted, in one look.
const BATCH: u32 = 500;

/// A message of a lesson's chat.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MessageView {
    /// Its id; a message that comes again with the same id changed.
    #[schema(value_type = Uuid)]
    pub id: MessageId,
    /// In which lesson.
    #[schema(value_type = Uuid)]
    pub lesson_id: LessonId,
    /// Who.
    #[schema(value_type = Uuid)]
    pub account_id: AccountId,
    /// Name of the person.
    pub name: String,
    /// `staff` or `learner`.
    pub role: &'static str,
    /// When.
    pub sent_at: DateTime<Utc>,
    /// What.
    pub text: String,
    /// `everybody`, or `staff` where learners do not meet each other.
    pub reach: &'static str,
    /// Other learners see it when the questions that were open are over.
    pub held: bool,
}

impl MessageView {
    fn of(message: Message) -> Self {
        Self {
            id: message.id,
            lesson_id: message.lesson,
            account_id: message.account,
            name: message.name,
            role: if message.by_learner {
                "learner"
            } else {
                "staff"
            },
            sent_at: message.sent_at,
            text: message.said.text,
            reach: message.said.reach.name(),
            held: message.said.held,
        }
    }

    /// To whom it is told.
    fn announced(&self) -> Result<Vec<Announcement>, Error> {
        let audiences = if self.held || self.reach == Reach::Staff.name() {
            let staff = Audience::Topic(Topic::lesson_staff(self.lesson_id));
            vec![staff, Audience::Account(self.account_id)]
        } else {
            vec![Audience::Topic(Topic::lesson(self.lesson_id))]
        };
        let tell = |audience| announcement(audience, "chat_message", self);
        audiences.into_iter().map(tell).collect()
    }
}

/// The last 500 messages of a lesson that the actor may read, oldest first. Refuses with
/// `lesson.not_found`.
pub async fn messages(
    context: &Context,
    actor: &Actor,
    id: LessonId,
) -> Result<Vec<MessageView>, Error> {
    let mut db = context.store.reader().await?;
    let listed = seen_by(&mut db, actor, id).await?;
    let by = match voice(actor, &listed) {
        Voice::Staff => None,
        Voice::Learner => Some(actor.account),
    };
    let found = store::chat::list(&mut db, id, by, LIST_MAX).await?;
    Ok(found.into_iter().map(MessageView::of).collect())
}

/// Says something in class. Refuses with `lesson.not_found`, `lesson.catching_up` and what
/// [`chat::say`] refuses.
pub async fn say(
    context: &Context,
    actor: &Actor,
    id: LessonId,
    text: &str,
) -> Result<MessageView, Error> {
    let now = present(context)?;
    let mut transaction = context.store.begin().await?;
    let db = &mut transaction;
    let listed = seen_by(db, actor, id).await?;
    let voice = voice(actor, &listed);
    let since = now - TimeDelta::seconds(HURRY_SECONDS.into());
    let (recent, total) = store::chat::counts(db, id, actor.account, since).await?;
    let mine = store::attendance::of_learner(db, id, actor.account).await?;
    let hall = Hall {
        lesson: &listed.lesson,
        entered: voice == Voice::Staff || mine.is_some(),
        learners: listed.learners,
        question_open: store::chat::question_open(db, id).await?,
        recent,
        total,
    };
    let said = chat::say(voice, text, &hall)?;
    let days = listed.lesson.policy().figures().chat_days;
    let new = NewMessage {
        id: MessageId::new(now, &*context.entropy),
        lesson: id,
        account: actor.account,
        sent_at: now,
        said,
        kept_until: listed.lesson.plan().ends_at.max(now) + TimeDelta::days(days.into()),
    };
    store::chat::insert(db, &new).await?;
    let person = store::person::of_account(db, actor.account).await?;
    let view = MessageView::of(Message {
        id: new.id,
        lesson: id,
        account: actor.account,
        name: person.map(|person| person.name).unwrap_or_default(),
        by_learner: voice == Voice::Learner,
        sent_at: now,
        said: new.said,
    });
    let told = view.announced()?;
    outbox::announce(context, db, &told).await?;
    outbox::commit(context, transaction).await?;
    Ok(view)
}

/// All messages of a lesson as CSV with a byte order mark, to those who run it. Refuses with
/// `lesson.not_found` or `auth.forbidden`.
pub async fn export(context: &Context, actor: &Actor, id: LessonId) -> Result<Vec<u8>, Error> {
    run_by(context, actor, id).await?;
    let mut db = context.store.reader().await?;
    let found = store::chat::list(&mut db, id, None, MESSAGES_MAX).await?;
    drop(db);
    let mut table = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
    let failed = |source: csv::Error| Failure::new("write a table of messages", source);
    table
        .write_record(["时间", "姓名", "身份", "消息", "范围"])
        .map_err(failed)?;
    for message in found {
        let at = beijing::wall(message.sent_at).format("%Y-%m-%d %H:%M:%S");
        let role = if message.by_learner {
            "学员"
        } else {
            "老师或工作人员"
        };
        let reach = match message.said.reach {
            Reach::Everybody => "全班",
            Reach::Staff => "老师和工作人员",
        };
        let (name, text) = (harmless(&message.name), harmless(&message.said.text));
        table
            .write_record([&at.to_string(), &name, role, &text, reach])
            .map_err(failed)?;
    }
    let written = table.into_inner();
    Ok(written.map_err(|error| Failure::new("write a table of messages", error.into_error()))?)
}

/// Tells everybody the messages whose windows are over, and deletes those whose time is.
pub(super) async fn look_after(context: &Context, now: DateTime<Utc>) -> Result<(), Error> {
    let mut transaction = context.store.begin().await?;
    let released = store::chat::release(&mut transaction, BATCH).await?;
    let forgotten = store::chat::forget(&mut transaction, now, BATCH).await?;
    if released.is_empty() && forgotten.is_empty() {
        return Ok(());
    }
    for message in released {
        let told = MessageView::of(message).announced()?;
        outbox::announce(context, &mut transaction, &told).await?;
    }
    for (lesson, messages) in forgotten {
        let fact = LessonFact::ChatDeleted { messages, at: now };
        record(context, &mut transaction, lesson, None, now, vec![fact]).await?;
    }
    outbox::commit(context, transaction).await
}

fn voice(actor: &Actor, listed: &Listed) -> Voice {
    let resource = Resource::Lesson {
        unit: &listed.unit_path,
        teacher: listed.lesson.teacher(),
        enrolled: false,
    };
    match policy::may(actor, Action::RunLesson, resource) {
        true => Voice::Staff,
        false => Voice::Learner,
    }
}
