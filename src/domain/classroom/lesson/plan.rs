//! Title and times of a lesson.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::refusal::{Refusal, RefusalKind};

/// What is announced of a lesson.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// 1 to 100 characters.
    pub title: String,
    /// Planned start.
    pub starts_at: DateTime<Utc>,
    /// Planned end, at most 12 hours later.
    pub ends_at: DateTime<Utc>,
}

/// Longest planned lesson.
pub(super) const LESSON_HOURS_MAX: i64 = 12;
/// Longest title, characters.
const TITLE_CHARS_MAX: usize = 100;

impl Plan {
    /// Trims the title and checks the bounds; refuses with `lesson.title` or `lesson.times`.
    pub fn checked(mut self) -> Result<Self, Refusal> {
        self.title = self.title.trim().to_owned();
        if !(1..=TITLE_CHARS_MAX).contains(&self.title.chars().count()) {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                "lesson.title",
                "课程名称应为 1 至 100 个字",
                "a lesson's title has 1 to 100 characters",
            ));
        }
        let length = self.ends_at - self.starts_at;
        if length < TimeDelta::minutes(1) || length > TimeDelta::hours(LESSON_HOURS_MAX) {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                "lesson.times",
                "结束时间应晚于开始时间，且课程不超过 12 小时",
                "a lesson ends after it starts and within 12 hours",
            ));
        }
        Ok(self)
    }
}
