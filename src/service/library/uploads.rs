//! Uploads that survive cut connections and the server's end (tus 1.0).
//!
//! What a client is told to have come is on the disk: bytes are synced before the database says so,
//! and what the database does not know of is cut off before more is added.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

use super::act::{act, not_found, observe, record};
use super::checksum::Checksum;
use super::files::{self, Growing};
use super::slots::{self, Turn};
use crate::domain::actor::Actor;
use crate::domain::id::{FilmId, UnitId};
use crate::domain::library::film::{Film, FilmCommand, NewFilm};
use crate::domain::policy::{self, Action, Resource};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::unit;
use crate::service::{Context, Error, outbox};
use crate::store;

/// A piece is put on the disk, and told of, at least after so many bytes.
const SYNC_BYTES: u64 = 4 << 20;
/// A request to which nothing comes for so long is over; what came stays.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// Unfinished uploads given up at one look.
const EXPIRED_MAX: u32 = 100;

/// A file to bring.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// Whose library.
    pub unit: UnitId,
    /// Its title.
    pub title: String,
    /// Its bytes.
    pub length: u64,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its id, which is the film's.
    pub id: FilmId,
    /// Bytes that have come and are on the disk.
    pub offset: u64,
    /// Bytes in all.
    pub length: u64,
    /// Given up at this moment, unless more comes; none once it is whole.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Upload {
    fn of(film: &Film) -> Self {
        let open = film.upload();
        Self {
            id: film.id(),
            offset: open.map_or(film.length(), |(received, _)| received),
            length: film.length(),
            expires_at: open.map(|(_, expires_at)| expires_at),
        }
    }
}

/// Begins an upload. Refuses with `auth.forbidden`, `unit.not_found`, `library.no_importer`,
/// `library.off`, `film.title`, `upload.length`, `upload.too_many` or `upload.library_full`.
pub async fn create(context: &Context, actor: &Actor, new: NewUpload) -> Result<Upload, Error> {
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let unit = store::unit::find(&mut transaction, new.unit).await?;
    let unit = unit.ok_or_else(unit::not_found)?;
    policy::allow(actor, Action::PlanLessons, Resource::Unit(&unit.path))?;
    let id = FilmId::new(now, &*context.entropy);
    let path = context.library.upload_path(id)?;
    if !context.library.has_importer() {
        return Err(no_importer().into());
    }
    let new = NewFilm {
        id,
        unit: unit.id,
        owner: actor.account,
        title: new.title,
        length: new.length,
    };
    let held = store::film::held(&mut transaction, actor.account).await?;
    let first = Film::announce(new, held, context.library.bounds(), now)?;
    let film = Film::from_first(&first).ok_or_else(not_found)?;
    store::film::insert(&mut transaction, &film, now).await?;
    Growing::open(&path, 0).await?.sync().await?;
    let by = Some(actor.account);
    record(context, &mut transaction, id, by, vec![first], now).await?;
    outbox::commit(context, transaction).await?;
    Ok(Upload::of(&film))
}

/// How far an upload of the actor is. Whoever asks means to go on: a request that still writes is
/// sent away first. Refuses with `film.not_found` or `upload.busy`.
pub async fn upload(context: &Context, actor: &Actor, id: FilmId) -> Result<Upload, Error> {
    own(context, actor, id).await?;
    let _turn = context.library.slots().take(id).await?;
    Ok(Upload::of(&own(context, actor, id).await?))
}

/// Adds a piece at an offset; with the last one the film waits for its import. What came before a
/// connection broke stays, unless it comes with a checksum: then it comes whole or not at all.
/// Refuses with `film.not_found`, `upload.offset`, `upload.busy`, `upload.overflow` or
/// `upload.checksum`.
pub async fn append<S, E>(
    context: &Context,
    actor: &Actor,
    id: FilmId,
    (offset, checksum): (u64, Option<Checksum>),
    body: S,
) -> Result<Upload, Error>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    own(context, actor, id).await?;
    let turn = context.library.slots().take(id).await?;
    let film = own(context, actor, id).await?;
    let Some((received, _)) = film.upload() else {
        return Err(wrong_offset(film.length()).into());
    };
    if received != offset {
        return Err(wrong_offset(received).into());
    }
    let path = context.library.upload_path(id)?;
    let mut piece = Piece {
        context,
        film: id,
        length: film.length(),
        received,
        told: received,
        checksum,
        file: Growing::open(&path, received).await?,
    };
    let came = piece.take(&turn, body).await;
    let whole = piece.put_down(came.is_ok()).await?;
    came?;
    let film = if whole {
        complete(context, &film).await?
    } else {
        own(context, actor, id).await?
    };
    Ok(Upload::of(&film))
}

/// A piece that comes.
struct Piece<'a> {
    context: &'a Context,
    film: FilmId,
    length: u64,
    received: u64,
    told: u64,
    checksum: Option<Checksum>,
    file: Growing,
}

impl Piece<'_> {
    /// Takes bytes until the request ends, breaks, falls silent or has to give way.
    async fn take<S, E>(&mut self, turn: &Turn<'_>, mut body: S) -> Result<(), Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        loop {
            let next = tokio::select! {
                biased;
                () = turn.asked_back() => return Err(slots::busy().into()),
                next = timeout(IDLE_MAX, body.next()) => next,
            };
            let bytes = match next {
                Ok(Some(Ok(bytes))) => bytes,
                Ok(None) => return Ok(()),
                Ok(Some(Err(_))) | Err(_) => return Err(broken_off().into()),
            };
            let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            if more > self.length - self.received {
                return Err(overflow().into());
            }
            self.file.add(&bytes).await?;
            if let Some(checksum) = &mut self.checksum {
                checksum.update(&bytes);
            }
            self.received += more;
            let much = self.received - self.told >= SYNC_BYTES;
            // That the last byte has come is told with the digest of the whole.
            if self.checksum.is_none() && much && self.received < self.length {
                self.tell().await?;
            }
        }
    }

    /// Puts what came on the disk and into the database, unless its checksum says that it is not
    /// what was meant; whether the file is whole.
    async fn put_down(&mut self, came_whole: bool) -> Result<bool, Error> {
        if let Some(checksum) = self.checksum.take() {
            if !came_whole {
                return Ok(false);
            }
            if !checksum.holds() {
                return Err(wrong_checksum().into());
            }
        }
        let whole = self.received == self.length;
        if whole {
            self.file.sync().await?;
        } else if self.received > self.told {
            self.tell().await?;
        }
        Ok(whole)
    }

    async fn tell(&mut self) -> Result<(), Error> {
        self.file.sync().await?;
        let (received, bounds) = (self.received, *self.context.library.bounds());
        observe(self.context, self.film, false, |film, now| {
            film.receive(received, &bounds, now);
        })
        .await?;
        self.told = received;
        Ok(())
    }
}

/// All bytes are on the disk: the film gets its digest and waits for its import.
async fn complete(context: &Context, film: &Film) -> Result<Film, Error> {
    let path = context.library.upload_path(film.id())?;
    let sha256 = files::digest(context, path).await?;
    let mut commands = vec![FilmCommand::Complete { sha256 }];
    if context.library.has_importer() {
        commands.push(FilmCommand::Queue);
    }
    let film = act(context, film.id(), Some(film.owner()), &commands).await?;
    context.library.wake();
    Ok(film)
}

/// Gives an unfinished upload up. Refuses with `film.not_found` or `upload.busy`.
pub async fn abandon(context: &Context, actor: &Actor, id: FilmId) -> Result<(), Error> {
    own(context, actor, id).await?;
    let _turn = context.library.slots().take(id).await?;
    let film = own(context, actor, id).await?;
    if film.upload().is_none() {
        return Err(not_found().into());
    }
    act(context, id, Some(actor.account), &[FilmCommand::Remove]).await?;
    files::remove(&context.library.upload_path(id)?).await?;
    Ok(())
}

/// Gives up the uploads to which nothing came for long; returns how many.
pub async fn expire(context: &Context) -> Result<usize, Error> {
    let mut db = context.store.reader().await?;
    let due = store::film::due(&mut db, context.now(), EXPIRED_MAX).await?;
    drop(db);
    let mut count = 0;
    for id in due {
        let _turn = context.library.slots().take(id).await?;
        // It may have been finished meanwhile.
        let film = match act(context, id, None, &[FilmCommand::Expire]).await {
            Ok(film) => film,
            Err(Error::Refused(_)) => continue,
            Err(failed) => return Err(failed),
        };
        if film.state().name() == "removed" {
            files::remove(&context.library.upload_path(id)?).await?;
            count += 1;
        }
    }
    Ok(count)
}

/// An upload that the actor began; another's is as if there were none.
async fn own(context: &Context, actor: &Actor, id: FilmId) -> Result<Film, Error> {
    let mut db = context.store.reader().await?;
    let film = store::film::find(&mut db, id).await?;
    let film =
        film.filter(|film| film.owner() == actor.account && film.state().name() != "removed");
    Ok(film.ok_or_else(not_found)?)
}

fn no_importer() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "library.no_importer",
        "服务器尚未安装视频转换程序（ffmpeg），暂不能上传视频，请联系管理员安装。",
        "The server has no ffmpeg, which films are cut with. Ask an administrator to install it.",
    )
}

fn wrong_offset(offset: u64) -> Refusal {
    Refusal {
        kind: RefusalKind::Conflict,
        code: "upload.offset",
        zh: format!("上传位置不符：服务器已收到 {offset} 字节，请从该处继续。"),
        en: format!("The offset is wrong: {offset} bytes have come. Go on from there."),
    }
}

fn broken_off() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "upload.broken_off",
        "上传中断，已收到的部分已保存，可以继续。",
        "The connection broke. What came is kept, and the upload can go on.",
    )
}

fn overflow() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "upload.overflow",
        "上传内容超过了事先声明的大小。",
        "More came than the upload was said to have.",
    )
}

fn wrong_checksum() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "upload.checksum",
        "这一段在传输中损坏，请重新上传这一段。",
        "This piece was damaged on its way. Send it again.",
    )
}
