//! A film from its announcement to its end.

use uuid::Uuid;

use super::*;

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn new(length: u64) -> NewFilm {
    NewFilm {
        id: FilmId(Uuid::from_u128(1)),
        unit: UnitId(Uuid::from_u128(2)),
        owner: AccountId(Uuid::from_u128(3)),
        title: " 社区矫正法 ".to_owned(),
        length,
    }
}

fn announced() -> Film {
    let bounds = LibraryBounds::default();
    let first = Film::announce(new(100), Held::default(), &bounds, NOW).unwrap();
    Film::from_first(&first).unwrap()
}

fn done(film: &mut Film, command: &FilmCommand) -> Result<usize, &'static str> {
    let facts = film.decide(command, &LibraryBounds::default(), NOW);
    let facts = facts.map_err(|refusal| refusal.code)?;
    facts.iter().for_each(|fact| film.apply(fact));
    Ok(facts.len())
}

fn queued() -> Film {
    let mut film = announced();
    let sha256 = "ab".to_owned();
    done(&mut film, &FilmCommand::Complete { sha256 }).unwrap();
    done(&mut film, &FilmCommand::Queue).unwrap();
    film
}

#[test]
fn what_is_beyond_a_bound_is_not_begun() {
    let bounds = LibraryBounds::default();
    let code = |length, held| Film::announce(new(length), held, &bounds, NOW).err();
    let code = |length, held| code(length, held).map(|refusal| refusal.code);
    let held = |open_uploads, bytes| Held {
        open_uploads,
        bytes,
    };
    assert_eq!(code(1, held(2, 0)), None);
    assert_eq!(code(0, held(0, 0)), Some("upload.length"));
    let more = bounds.upload_bytes_max + 1;
    assert_eq!(code(more, held(0, 0)), Some("upload.length"));
    assert_eq!(code(1, held(3, 0)), Some("upload.too_many"));
    let all = bounds.library_bytes_max;
    assert_eq!(code(1, held(0, all)), Some("upload.library_full"));
}

#[test]
fn an_upload_is_given_up_when_nothing_came_for_long_and_not_before() {
    let bounds = LibraryBounds::default();
    let mut film = announced();
    let later = NOW + TimeDelta::hours(20);
    film.receive(40, &bounds, later);
    assert_eq!(film.upload(), Some((40, later + TimeDelta::hours(24))));
    let expire = |at| film.decide(&FilmCommand::Expire, &bounds, at).unwrap();
    assert_eq!(expire(NOW + TimeDelta::hours(24)), []);
    let expired = [FilmFact::UploadExpired];
    assert_eq!(expire(film.next_deadline().unwrap()), expired);
}

#[test]
fn an_import_that_a_crash_broke_off_is_done_again_but_not_for_ever() {
    let mut film = queued();
    for (died, attempts) in [(true, 1), (false, 1), (true, 2), (false, 2)] {
        done(&mut film, &FilmCommand::Begin).unwrap();
        done(&mut film, &FilmCommand::Interrupt { died }).unwrap();
        let sha256 = "ab".to_owned();
        assert_eq!(*film.state(), FilmState::Queued { sha256, attempts });
    }
    done(&mut film, &FilmCommand::Begin).unwrap();
    done(&mut film, &FilmCommand::Interrupt { died: true }).unwrap();
    let reason = Unfit::Crashed;
    assert_eq!(*film.state(), FilmState::Refused { reason });
}

#[test]
fn a_step_that_is_not_due_says_what_it_found() {
    let mut film = announced();
    for command in [
        FilmCommand::Queue,
        FilmCommand::Begin,
        FilmCommand::Interrupt { died: true },
        FilmCommand::Refuse(Unfit::Broken),
    ] {
        assert_eq!(done(&mut film, &command), Err("film.state"), "{command:?}");
    }
    let refusal = film.decide(&FilmCommand::Queue, &LibraryBounds::default(), NOW);
    assert!(refusal.unwrap_err().en.contains("uploading"));
    assert_eq!(done(&mut film, &FilmCommand::Remove), Ok(1));
    assert_eq!(done(&mut film, &FilmCommand::Remove), Ok(0));
    let rename = FilmCommand::Rename("x".to_owned());
    assert_eq!(done(&mut film, &rename), Err("film.state"));
}

#[test]
fn progress_grows_only_and_only_during_an_import() {
    let mut film = queued();
    film.advance(50);
    assert_eq!(film.state().name(), "queued");
    done(&mut film, &FilmCommand::Begin).unwrap();
    film.advance(50);
    film.advance(30);
    let FilmState::Importing { percent, .. } = film.state() else {
        panic!("{:?}", film.state());
    };
    assert_eq!(*percent, 50);
}
