//! Lessons on demand in use: uploads, imports, courses, and playing.
//!
//! Files are below [`Library::root`]: `uploads/ID` while a film comes and until it is imported,
//! `work/ID` during an import, `films/ID` when it can be played. The database says which of them
//! counts; what it does not know of is swept away at the start.

mod act;
mod checksum;
mod course_view;
mod courses;
mod files;
mod films;
mod imports;
mod playing;
mod slots;
mod study;
mod uploads;
mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

pub use checksum::{ALGORITHMS, Checksum};
pub use course_view::{CourseView, LearnerStanding, MyCourse};
pub use courses::{
    change_course, course, course_learners, course_progress, courses, create_course, my_courses,
    set_course_learners,
};
pub use films::{Catalogue, film, films, remove, rename};
pub use imports::{Job, begin, fail, finish, interrupt_all, progress, queue_waiting, sweep};
pub use playing::{Handed, Play, PlayState, beat, end_silent, hand, play, preview, stop};
pub use study::{Earned, FilmSpan, earned_of, sign_out};
pub use uploads::{NewUpload, Upload, abandon, append, create, expire, upload};
pub use view::FilmView;

use crate::domain::id::FilmId;
use crate::domain::library::bounds::LibraryBounds;
use crate::domain::refusal::{Refusal, RefusalKind};

/// Kind of the ledger streams that tell about films; the subject is the film.
pub const FILM_STREAM_KIND: &str = "film";
/// Kind of the ledger streams that tell about courses; the subject is the course.
pub const COURSE_STREAM_KIND: &str = "course";
/// Kind of the ledger streams that tell what was watched; the subject is the viewing.
pub const VIEWING_STREAM_KIND: &str = "viewing";

/// Where films are, and whether this server can import them. Clones share it.
#[derive(Clone, Debug)]
pub struct Library(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    root: Option<PathBuf>,
    bounds: LibraryBounds,
    importer: AtomicBool,
    work: Notify,
    slots: slots::Slots,
}

impl Default for Library {
    /// One that takes nothing.
    fn default() -> Self {
        Self::new(None, LibraryBounds::default())
    }
}

impl Library {
    /// A library below a folder.
    pub fn at(root: &Path, bounds: LibraryBounds) -> Self {
        Self::new(Some(root.to_path_buf()), bounds)
    }

    fn new(root: Option<PathBuf>, bounds: LibraryBounds) -> Self {
        Self(Arc::new(Shared {
            root,
            bounds,
            importer: AtomicBool::new(false),
            work: Notify::new(),
            slots: slots::Slots::default(),
        }))
    }

    /// Its bounds.
    pub fn bounds(&self) -> &LibraryBounds {
        &self.0.bounds
    }

    /// Says whether films can be imported here.
    pub fn set_importer(&self, there: bool) {
        self.0.importer.store(there, Ordering::Release);
    }

    /// Whether films can be imported here.
    pub fn has_importer(&self) -> bool {
        self.0.importer.load(Ordering::Acquire)
    }

    /// Waits until there may be something to import.
    pub async fn work(&self) {
        self.0.work.notified().await;
    }

    /// Says that there may be something to import, or no longer.
    fn wake(&self) {
        self.0.work.notify_one();
    }

    fn slots(&self) -> &slots::Slots {
        &self.0.slots
    }

    /// Where a film's file is until it is imported. Refuses with `library.off`.
    pub fn upload_path(&self, film: FilmId) -> Result<PathBuf, Refusal> {
        Ok(self.root()?.join("uploads").join(film.to_string()))
    }

    /// Where an import works.
    pub fn work_path(&self, film: FilmId) -> Result<PathBuf, Refusal> {
        Ok(self.root()?.join("work").join(film.to_string()))
    }

    /// Where an imported film is.
    pub fn film_path(&self, film: FilmId) -> Result<PathBuf, Refusal> {
        Ok(self.root()?.join("films").join(film.to_string()))
    }

    fn root(&self) -> Result<&Path, Refusal> {
        self.0.root.as_deref().ok_or_else(|| {
            Refusal::new(
                RefusalKind::Unavailable,
                "library.off",
                "此服务器没有课件库。",
                "This server keeps no films.",
            )
        })
    }
}
