//! Courses of lessons on demand, who takes them, and where their lessons are.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Connection, Error, Failure, unit, unreadable};
use crate::domain::id::{AccountId, CourseId, CourseLessonId, FilmId, UnitId};
use crate::domain::library::course::Course;
use crate::domain::unit::{UnitPath, UnitRef};

/// A course with the names that a list shows.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The course.
    pub course: Course,
    /// Whose.
    pub unit: UnitRef,
    /// That unit and its ancestors.
    pub unit_path: UnitPath,
    /// Learners enrolled.
    pub learners: u32,
}

fn written(course: &Course) -> Result<Value, Error> {
    serde_json::to_value(course)
        .map_err(|source| Error::Failed(Failure::new("write a course", source)))
}

fn read(state: Value) -> Result<Course, Error> {
    serde_json::from_value(state).map_err(|error| unreadable(error.to_string()))
}

/// Adds a course.
pub async fn insert(db: &mut Connection, course: &Course, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "insert into course (id, unit_id, title, state, created_at) values ($1, $2, $3, $4, $5)",
        course.id().0,
        course.unit().0,
        course.plan().title,
        written(course)?,
        now,
    )
    .execute(&mut *db)
    .await?;
    place_lessons(db, course).await
}

/// Writes a course's present state.
pub async fn update(db: &mut Connection, course: &Course) -> Result<(), Error> {
    sqlx::query!(
        "update course set title = $2, state = $3 where id = $1",
        course.id().0,
        course.plan().title,
        written(course)?,
    )
    .execute(&mut *db)
    .await?;
    place_lessons(db, course).await
}

async fn place_lessons(db: &mut Connection, course: &Course) -> Result<(), Error> {
    let (mut lessons, mut films) = (Vec::new(), Vec::new());
    for lesson in course.lessons() {
        lessons.push(lesson.id.0);
        films.push(lesson.film.0);
    }
    sqlx::query!(
        "update course_lesson set present = false where course_id = $1 and id <> all($2)",
        course.id().0,
        &lessons,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "insert into course_lesson (id, course_id, film_id, present) \
         select l.id, $1, l.film_id, true from unnest($2::uuid[], $3::uuid[]) as l (id, film_id) \
         on conflict on constraint course_lesson_pkey do update set present = true",
        course.id().0,
        &lessons,
        &films,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The course of this id, locked until the transaction ends. Lock it before the ledger.
pub async fn lock(db: &mut Connection, id: CourseId) -> Result<Option<Course>, Error> {
    let state = sqlx::query_scalar!("select state from course where id = $1 for update", id.0)
        .fetch_optional(db)
        .await?;
    state.map(read).transpose()
}

/// The courses of these ids with names, in the order asked.
pub async fn find_listed(db: &mut Connection, ids: &[CourseId]) -> Result<Vec<Listed>, Error> {
    let wanted: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select c.state, u.id as unit_id, u.name as unit_name, u.level as unit_level,
               u.path as unit_path,
               (select count(*) from course_learner l where l.course_id = c.id) as "learners!"
           from course c join unit u on u.id = c.unit_id
           where c.id = any($1) order by array_position($1, c.id)"#,
        &wanted,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Listed {
                course: read(row.state)?,
                unit: unit::reference(row.unit_id, row.unit_name, row.unit_level)?,
                unit_path: unit::path(row.unit_path)?,
                learners: u32::try_from(row.learners).unwrap_or(u32::MAX),
            })
        })
        .collect()
}

/// Courses of these units, and those above and below, newest first, at most `limit`.
pub async fn list(
    db: &mut Connection,
    scopes: &[UnitId],
    limit: u32,
) -> Result<Vec<Listed>, Error> {
    let scopes: Vec<Uuid> = scopes.iter().map(|id| id.0).collect();
    let ids = sqlx::query_scalar!(
        "select c.id from course c join unit u on u.id = c.unit_id \
         where u.path && $1 or exists ( \
             select from unit s where s.id = any($1) and c.unit_id = any(s.path)) \
         order by c.created_at desc, c.id limit $2",
        &scopes,
        i64::from(limit),
    )
    .fetch_all(&mut *db)
    .await?;
    let ids: Vec<CourseId> = ids.into_iter().map(CourseId).collect();
    find_listed(db, &ids).await
}

/// Courses that an account takes, newest first, at most `limit`.
pub async fn of_learner(
    db: &mut Connection,
    account: AccountId,
    limit: u32,
) -> Result<Vec<Listed>, Error> {
    let ids = sqlx::query_scalar!(
        "select c.id from course c join course_learner l on l.course_id = c.id \
         where l.account_id = $1 order by c.created_at desc, c.id limit $2",
        account.0,
        i64::from(limit),
    )
    .fetch_all(&mut *db)
    .await?;
    let ids: Vec<CourseId> = ids.into_iter().map(CourseId).collect();
    find_listed(db, &ids).await
}

/// The course of a lesson that is in it at present.
pub async fn of_lesson(
    db: &mut Connection,
    lesson: CourseLessonId,
) -> Result<Option<CourseId>, Error> {
    let id = sqlx::query_scalar!(
        "select course_id from course_lesson where id = $1 and present",
        lesson.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(id.map(CourseId))
}

/// Accounts enrolled.
pub async fn learners(db: &mut Connection, id: CourseId) -> Result<BTreeSet<AccountId>, Error> {
    let ids = sqlx::query_scalar!(
        "select account_id from course_learner where course_id = $1",
        id.0,
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(AccountId).collect())
}

/// Whether the account is enrolled.
pub async fn is_learner(
    db: &mut Connection,
    id: CourseId,
    account: AccountId,
) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from course_learner where course_id = $1 and account_id = $2)
           as "enrolled!""#,
        id.0,
        account.0,
    )
    .fetch_one(db)
    .await?)
}

/// Enrols and takes off.
pub async fn change_learners(
    db: &mut Connection,
    id: CourseId,
    added: &[AccountId],
    removed: &[AccountId],
) -> Result<(), Error> {
    let added: Vec<Uuid> = added.iter().map(|id| id.0).collect();
    let removed: Vec<Uuid> = removed.iter().map(|id| id.0).collect();
    sqlx::query!(
        "delete from course_learner where course_id = $1 and account_id = any($2)",
        id.0,
        &removed,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "insert into course_learner (course_id, account_id) select $1, unnest($2::uuid[]) \
         on conflict do nothing",
        id.0,
        &added,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A film that a course may show.
#[derive(Clone, Debug)]
pub struct Showable {
    /// Which.
    pub film: FilmId,
    /// Its unit and the ancestors of that.
    pub unit_path: UnitPath,
}

/// Those of these films that are there or will be; nobody takes one away before the transaction
/// ends.
pub async fn showable(db: &mut Connection, ids: &[FilmId]) -> Result<Vec<Showable>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "select f.id, u.path from film f join unit u on u.id = f.unit_id \
         where f.id = any($1) and f.phase not in ('removed', 'refused') \
         order by f.id for share of f",
        &ids,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Showable {
                film: FilmId(row.id),
                unit_path: unit::path(row.path)?,
            })
        })
        .collect()
}
