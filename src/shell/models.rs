//! Networks as files in `models/` of the data directory: fetched or copied when an operator says
//! so, checked whenever they are read.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::domain::fact::hex;
use crate::service::Eyes;
use crate::service::face::FaceEngine;
use crate::service::face::manifest::{Entry, Manifest, PRODUCT, Refused, Role};
use crate::service::face::networks::{LoadError, Networks};
use crate::shell::data_dir::create_private;

/// Directory of the networks in the data directory.
pub const FOLDER: &str = "models";
/// The manifest there, when it is not the product's own.
const MANIFEST_FILE: &str = "models.toml";
/// Largest manifest, bytes.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;
/// Most pictures that are looked at at once, however many cores there are.
const ENGINES_MAX: usize = 16;
/// A download may take so long.
const DOWNLOAD_TIME_MAX: Duration = Duration::from_secs(600);

/// Why networks cannot be used or fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] Refused),
    /// A network.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A file.
    #[error("cannot use {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The other end.
    #[error("cannot fetch {name}")]
    Fetch {
        /// Which network.
        name: String,
        /// Why.
        source: reqwest::Error,
    },
    /// What came is not what the manifest names.
    #[error("what came as {name} is not the file that the manifest names; nothing was kept")]
    OtherFile {
        /// Which network.
        name: String,
    },
}

/// Where networks come from.
#[derive(Clone, Debug, clap::Args)]
pub struct FetchOptions {
    /// Copies the files from this folder instead of fetching them: for sites without the internet
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Takes another set of networks than the product's own
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

/// One line about one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name in the manifest.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// How it stands.
    pub state: State,
}

/// How a network stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its file is there, and the one that the manifest names.
    Right,
    /// It is now.
    Installed,
    /// There is no file.
    Missing,
    /// There is a file, but another one.
    Other,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match self.state {
            State::Right => "is there",
            State::Installed => "was installed",
            State::Missing => "is missing: supply its file with --from DIR",
            State::Other => "is NOT the file that the manifest names: fetch it again",
        };
        write!(f, "{} ({:?}) {state}.", self.name, self.role)
    }
}

/// The eyes of a server on this data directory: none without networks. Files that are not what the
/// manifest names are an error.
pub fn eyes(data_dir: &Path) -> Result<Eyes, Error> {
    let Some(networks) = networks(data_dir)? else {
        return Ok(Eyes::default());
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // One core is left to media.
    let engines = cores.saturating_sub(1).clamp(1, ENGINES_MAX);
    let engine = |_| Box::new(networks.for_thread()) as Box<dyn FaceEngine>;
    Ok(Eyes::new((0..engines).map(engine).collect()))
}

/// The networks of a data directory, if a detector and a recogniser are there.
pub fn networks(data_dir: &Path) -> Result<Option<Networks>, Error> {
    let folder = data_dir.join(FOLDER);
    let manifest = manifest_in(&folder)?;
    let mut files = BTreeMap::new();
    for entry in &manifest.models {
        let path = file_of(&folder, entry);
        if let Some(file) = read(&path, entry.bytes)? {
            files.insert(entry.name.clone(), file);
        }
    }
    let needed = [Role::Detector, Role::Recogniser];
    let mut needed = needed.into_iter().map(|role| manifest.of(role));
    match needed.all(|entry| entry.is_some_and(|entry| files.contains_key(&entry.name))) {
        true => Ok(Some(Networks::load(&manifest, &mut files)?)),
        false => Ok(None),
    }
}

/// How each network of the manifest stands.
pub fn verify(data_dir: &Path) -> Result<Vec<Line>, Error> {
    let folder = data_dir.join(FOLDER);
    let manifest = manifest_in(&folder)?;
    let line = |entry: &Entry| {
        let file = read(&file_of(&folder, entry), entry.bytes)?;
        let state = match file {
            None => State::Missing,
            Some(file) if is_of(entry, &file) => State::Right,
            Some(_) => State::Other,
        };
        Ok(line_of(entry, state))
    };
    manifest.models.iter().map(line).collect()
}

/// Installs the networks of a manifest: each file is checked before it takes its place.
pub async fn fetch(data_dir: &Path, options: &FetchOptions) -> Result<Vec<Line>, Error> {
    let folder = data_dir.join(FOLDER);
    create_private(data_dir).map_err(io(data_dir))?;
    create_private(&folder).map_err(io(&folder))?;
    let manifest = match &options.manifest {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(io(path))?;
            let manifest = Manifest::parse(&text)?;
            install(&folder, MANIFEST_FILE, text.as_bytes())?;
            manifest
        }
        None => manifest_in(&folder)?,
    };
    let mut lines = Vec::new();
    for entry in &manifest.models {
        let there = read(&file_of(&folder, entry), entry.bytes)?;
        if there.is_some_and(|file| is_of(entry, &file)) {
            lines.push(line_of(entry, State::Right));
            continue;
        }
        let state = match obtained(entry, options.from.as_deref()).await? {
            None => State::Missing,
            Some(file) if is_of(entry, &file) => {
                install(&folder, &file_name(entry), &file)?;
                State::Installed
            }
            Some(_) => {
                let name = entry.name.clone();
                return Err(Error::OtherFile { name });
            }
        };
        lines.push(line_of(entry, state));
    }
    Ok(lines)
}

async fn obtained(entry: &Entry, from: Option<&Path>) -> Result<Option<Vec<u8>>, Error> {
    match (from, &entry.url) {
        (Some(folder), _) => read(&file_of(folder, entry), entry.bytes),
        (None, Some(url)) => downloaded(entry, url).await.map(Some),
        (None, None) => Ok(None),
    }
}

async fn downloaded(entry: &Entry, url: &str) -> Result<Vec<u8>, Error> {
    let failed = |source: reqwest::Error| Error::Fetch {
        name: entry.name.clone(),
        source,
    };
    let client = reqwest::Client::builder().timeout(DOWNLOAD_TIME_MAX);
    let response = client.build().map_err(failed)?.get(url).send().await;
    let mut response = response
        .and_then(reqwest::Response::error_for_status)
        .map_err(failed)?;
    let mut file = Vec::new();
    // Whatever it says of its length, more than the manifest names is not read.
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        file.extend_from_slice(&chunk);
        if file.len() as u64 > entry.bytes {
            let name = entry.name.clone();
            return Err(Error::OtherFile { name });
        }
    }
    Ok(file)
}

fn manifest_in(folder: &Path) -> Result<Manifest, Error> {
    let text = read(&folder.join(MANIFEST_FILE), MANIFEST_BYTES_MAX)?;
    let text = text.map(|text| String::from_utf8_lossy(&text).into_owned());
    Ok(Manifest::parse(text.as_deref().unwrap_or(PRODUCT))?)
}

/// A file of at most so many bytes and one more, which tells that it is too long.
fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, Error> {
    use std::io::Read as _;
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(path)(error)),
    };
    let mut bytes = Vec::new();
    let mut file = file.take(bytes_max.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(io(path))?;
    Ok(Some(bytes))
}

/// Puts a file in its place whole or not at all.
fn install(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let (path, temporary) = (folder.join(name), folder.join(format!("{name}.new")));
    let written = || {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        fs::File::open(folder)?.sync_all()
    };
    written().map_err(io(&path))
}

fn is_of(entry: &Entry, file: &[u8]) -> bool {
    file.len() as u64 == entry.bytes && hex(&Sha256::digest(file)) == entry.sha256
}

fn file_name(entry: &Entry) -> String {
    format!("{}.onnx", entry.name)
}

fn file_of(folder: &Path, entry: &Entry) -> PathBuf {
    folder.join(file_name(entry))
}

fn line_of(entry: &Entry, state: State) -> Line {
    Line {
        name: entry.name.clone(),
        role: entry.role,
        state,
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A manifest of one file of these bytes.
    fn manifest(folder: &Path, file: &[u8]) -> PathBuf {
        let hex = hex(&Sha256::digest(file));
        let text = format!(
            "[[model]]\nname = \"one\"\nrole = \"detector\"\nsha256 = \"{hex}\"\n\
             bytes = {}\nlicence = \"MIT\"\ninput = [320, 256]\ncolours = \"bgr\"\n",
            file.len()
        );
        let path = folder.join("other.toml");
        fs::write(&path, text).expect("written");
        path
    }

    fn options(from: &Path, manifest: PathBuf) -> FetchOptions {
        FetchOptions {
            from: Some(from.to_path_buf()),
            manifest: Some(manifest),
        }
    }

    fn states(lines: &[Line]) -> Vec<State> {
        lines.iter().map(|line| line.state).collect()
    }

    #[tokio::test]
    async fn a_file_is_installed_only_when_it_is_the_one_that_the_manifest_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let (data, from) = (folder.path().join("data"), folder.path().join("from"));
        fs::create_dir(&from).expect("a folder");
        let manifest = manifest(folder.path(), b"a network");
        let options = options(&from, manifest);
        let lines = fetch(&data, &options).await.expect("nothing is there yet");
        assert_eq!(states(&lines), [State::Missing]);
        fs::write(from.join("one.onnx"), b"b network").expect("written");
        let other = fetch(&data, &options).await;
        assert!(matches!(other, Err(Error::OtherFile { .. })), "{other:?}");
        assert_eq!(states(&verify(&data).expect("read")), [State::Missing]);
        fs::write(from.join("one.onnx"), b"a network").expect("written");
        let lines = fetch(&data, &options).await.expect("it is the right one");
        assert_eq!(states(&lines), [State::Installed]);
        fs::remove_file(from.join("one.onnx")).expect("removed");
        let lines = fetch(&data, &options).await.expect("it is there");
        assert_eq!(states(&lines), [State::Right]);
        assert_eq!(states(&verify(&data).expect("read")), [State::Right]);
    }

    #[tokio::test]
    async fn a_file_that_was_changed_later_is_named_and_never_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let manifest = manifest(folder.path(), b"a network");
        fs::write(folder.path().join("one.onnx"), b"a network").expect("written");
        let options = options(folder.path(), manifest);
        fetch(&data, &options).await.expect("installed");
        fs::write(data.join("models/one.onnx"), b"a network, changed").expect("written");
        assert_eq!(states(&verify(&data).expect("read")), [State::Other]);
    }

    #[test]
    fn without_networks_a_server_has_no_eyes_and_serves() {
        let folder = tempfile::tempdir().expect("a folder");
        let eyes = eyes(folder.path()).expect("none are needed");
        assert!(eyes.recogniser().is_none());
    }
}
