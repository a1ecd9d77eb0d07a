//! Proof of fairness: the draws of closed attendances, recomputed from the ledger alone.

use std::collections::BTreeMap;

use super::LESSON_STREAM_KIND;
use crate::domain::classroom::attendance::{AttendanceFact, Mismatch, RecordedFact, verify};
use crate::domain::id::{AttendanceId, LessonId, StreamId};
use crate::service::{Context, Error};
use crate::store;

/// Facts read at once.
const PAGE: u32 = 1_000;
/// Streams read at once.
const STREAMS: u32 = 200;

/// An attendance whose facts contradict its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disproved {
    /// Of which lesson.
    pub lesson: LessonId,
    /// Which.
    pub attendance: AttendanceId,
    /// Where.
    pub mismatch: Mismatch,
}

impl std::fmt::Display for Disproved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            lesson,
            attendance,
            mismatch,
        } = self;
        write!(f, "lesson {lesson}, attendance {attendance}: {mismatch}")
    }
}

/// Recomputes every closed attendance of every lesson; `ledger verify` calls it after the chains.
/// Returns how many were recomputed and those that differ. Open ones keep their secret and are
/// left out.
pub async fn verify_draws(context: &Context) -> Result<(u64, Vec<Disproved>), Error> {
    let (mut count, mut disproved) = (0, Vec::new());
    let mut after = None;
    loop {
        let mut db = context.store.reader().await?;
        let streams = store::ledger::streams(&mut db, after, STREAMS).await?;
        drop(db);
        let Some(last) = streams.last() else {
            return Ok((count, disproved));
        };
        after = Some(last.id);
        for stream in streams
            .iter()
            .filter(|stream| stream.kind == LESSON_STREAM_KIND)
        {
            let lesson = LessonId(stream.subject);
            for (attendance, facts) in facts_of(context, stream.id).await? {
                match verify(&facts) {
                    Ok(()) => count += 1,
                    Err(Mismatch::NotClosed) => {}
                    Err(mismatch) => {
                        count += 1;
                        disproved.push(Disproved {
                            lesson,
                            attendance,
                            mismatch,
                        });
                    }
                }
            }
        }
    }
}

async fn facts_of(
    context: &Context,
    stream: StreamId,
) -> Result<BTreeMap<AttendanceId, Vec<AttendanceFact>>, Error> {
    let mut all: BTreeMap<AttendanceId, Vec<AttendanceFact>> = BTreeMap::new();
    let mut next = 0;
    loop {
        let mut db = context.store.reader().await?;
        let page = store::ledger::facts(&mut db, stream, next, PAGE).await?;
        for row in &page {
            // Facts of the lesson itself name no attendance.
            if let Ok(recorded) = serde_json::from_str::<RecordedFact>(&row.body) {
                all.entry(recorded.attendance)
                    .or_default()
                    .push(recorded.fact);
            }
            next = row.seq + 1;
        }
        if page.len() < PAGE as usize {
            return Ok(all);
        }
    }
}
