//! How much of everything a library of films takes.

/// Bounds of one server; the configuration sets the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LibraryBounds {
    /// Largest file that is taken, bytes.
    pub upload_bytes_max: u64,
    /// What all films and unfinished uploads may take together, bytes.
    pub library_bytes_max: u64,
    /// Uploads of one person that are not finished.
    pub open_uploads_max: u32,
    /// An upload to which nothing comes for so long is given up, seconds.
    pub unfinished_s: u32,
    /// Longest film, milliseconds.
    pub film_ms_max: u64,
    /// Shortest film, milliseconds.
    pub film_ms_min: u64,
    /// Longest side of a picture, pixels.
    pub side_max: u32,
    /// Largest picture, pixels: what a decoder needs memory for.
    pub pixels_max: u64,
    /// So often one film may be begun anew after the server died during its import.
    pub attempts_max: u32,
}

impl Default for LibraryBounds {
    fn default() -> Self {
        Self {
            upload_bytes_max: 4096 << 20,
            library_bytes_max: 200 << 30,
            open_uploads_max: 3,
            unfinished_s: 24 * 3600,
            film_ms_max: 6 * 3_600_000,
            film_ms_min: 1_000,
            side_max: 8_192,
            pixels_max: 4_096 * 2_304,
            attempts_max: 3,
        }
    }
}

/// Processor seconds that the import of a film may take: a slow machine needs as long as the film
/// lasts, and a hostile file must end.
pub fn import_seconds_max(film_ms: u64) -> u64 {
    film_ms / 1_000 * 4 + 300
}
