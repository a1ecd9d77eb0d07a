//! The house rules that a machine can hold: caps, the import law, clocks and chance, live links,
//! licences. Each test lists every place that breaks its rule.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it cannot read"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::TokenStream;
use source::{
    crate_target, each_attribute, each_function, each_path, module_folder, tokens, without_tests,
};

#[path = "tidy/source.rs"]
mod source;

/// Lines of one function, from `fn` to the closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Lines of one source file.
const FILE_LINES_MAX: usize = 600;
/// Lines of `src/main.rs`, which only calls the shell.
const MAIN_LINES_MAX: usize = 60;
/// Characters of one line of Rust.
const RUST_COLUMNS_MAX: usize = 100;
/// Characters of one line of the web app's sources.
const WEB_COLUMNS_MAX: usize = 110;

/// A layer of the server: what it may import, and which outside crates it may use.
struct Layer {
    name: &'static str,
    /// Layers, separated by blanks.
    imports: &'static str,
    /// Crates beyond [`CRATES_OF_ALL`], as Rust names them, separated by blanks.
    crates: &'static str,
}

/// Values, their text forms and their digests: no I/O, no clock, no chance.
const CRATES_OF_ALL: &str = "base64 chrono hmac serde serde_json sha2 thiserror uuid";

/// The import law (`docs/architecture.md`). `shell` is not in the table: it may import everything.
const LAYERS: &[Layer] = &[
    Layer {
        name: "domain",
        imports: "domain",
        // Written answers are compared as decimals and as normalised text.
        crates: "rust_decimal unicode_normalization",
    },
    Layer {
        name: "media",
        imports: "media domain",
        // sha1 for STUN's integrity; tracing because packets are logged at trace; webm_iterable
        // for the files of recordings.
        crates: "aes_gcm bytes ring rtc sha1 tracing webm_iterable",
    },
    Layer {
        name: "store",
        imports: "store domain",
        // ed25519_dalek signs and checks the ledger's checkpoints.
        crates: "bytes ed25519_dalek futures_util sqlx tracing",
    },
    Layer {
        name: "hub",
        imports: "hub domain media",
        // Queues and what travels through them; metrics count what is dropped at a bound.
        crates: "async_stream bytes futures_util metrics tokio tracing",
    },
    Layer {
        name: "service",
        imports: "service domain store hub media",
        // tokio::task::spawn_blocking keeps password hashing off the event loop; utoipa describes
        // the views that answers and announcements share; sha1 is what TURN servers check
        // passwords with.
        // calamine, csv, encoding_rs and zip read files of questions.
        // futures_util puts a question to several learners at a time.
        // rten runs networks on pictures that image_webp decodes; toml is the manifest of them.
        // ring seals what object_store keeps; futures_util reads uploads as they come; krilla draws
        // reports and qrcode the way back to their server; rust_xlsxwriter writes workbooks.
        crates: "argon2 bytes calamine csv ed25519_dalek encoding_rs futures_util image_webp \
                 jsonwebtoken krilla metrics object_store qrcode ring rten rten_tensor \
                 rust_xlsxwriter sha1 tokio toml tracing utoipa zip",
    },
    Layer {
        name: "http",
        imports: "http domain service hub media",
        crates: "async_stream axum axum_extra bytes flate2 futures_util hyper hyper_util \
                 livekit_protocol metrics metrics_exporter_prometheus prost rust_embed tokio \
                 tokio_tungstenite tower tower_http tracing utoipa utoipa_axum utoipa_swagger_ui",
    },
];

/// Paths that only `shell` may name, with the reason.
const SHELL_ONLY: &[(&str, &str)] = &[
    ("Instant::now", "time is an argument"),
    ("SystemTime::now", "time is an argument"),
    ("Utc::now", "time is an argument"),
    ("Local::now", "time is an argument"),
    ("Uuid::now_v7", "ids are made of what is given"),
    ("Uuid::new_v4", "ids are made of what is given"),
    ("OsRng", "chance is an argument"),
    ("thread_rng", "chance is an argument"),
    ("env::var", "the environment is read in shell"),
    ("env::var_os", "the environment is read in shell"),
    ("env::vars", "the environment is read in shell"),
    ("tokio::spawn", "tasks start in shell"),
    ("task::spawn", "tasks start in shell"),
    ("task::spawn_local", "tasks start in shell"),
    ("task::JoinSet", "tasks start in shell"),
    ("thread::spawn", "threads start in shell"),
    ("thread::Builder", "threads start in shell"),
    ("thread::sleep", "nothing waits by sleeping"),
];

#[test]
fn a_rust_file_keeps_its_caps() {
    let mut broken = Vec::new();
    for file in rust_files() {
        let text = read(&file);
        let lines_max = if file == "src/main.rs" {
            MAIN_LINES_MAX
        } else {
            FILE_LINES_MAX
        };
        broken.extend(overlong(&file, &text, lines_max, RUST_COLUMNS_MAX));
        each_function(tokens(&file, &text), &mut |name, first, last| {
            let lines = last + 1 - first;
            if lines > FUNCTION_LINES_MAX {
                broken.push(format!("{file}:{first}: fn {name} has {lines} lines"));
            }
        });
    }
    report("caps of Rust files", &broken);
}

#[test]
fn a_web_file_keeps_its_caps() {
    let broken: Vec<String> = tracked(&["ts", "tsx", "css"])
        .into_iter()
        .filter(|file| file.starts_with("web/src/"))
        .flat_map(|file| {
            let text = without_quoted(&read(&file));
            overlong(&file, &text, FILE_LINES_MAX, WEB_COLUMNS_MAX)
        })
        .collect();
    report("caps of web files", &broken);
}

#[test]
fn every_rust_file_opens_with_a_module_sentence() {
    let broken: Vec<String> = rust_files()
        .into_iter()
        .filter(|file| !read(file).starts_with("//! "))
        .collect();
    report("files must begin with a `//!` sentence", &broken);
}

#[test]
fn imports_run_downward_only() {
    let mut broken = Vec::new();
    each_production_path(|file, layer, path, line| {
        let Some(target) = crate_target(file, path) else {
            return;
        };
        let known = target == "shell" || LAYERS.iter().any(|other| other.name == target);
        if known && !lists(layer.imports, &target) {
            broken.push(format!("{file}:{line}: {} imports {target}", layer.name));
        }
    });
    report("the import law", &broken);
}

#[test]
fn a_layer_uses_only_the_outside_crates_of_its_row() {
    let outside = dependency_names();
    let mut broken = Vec::new();
    each_production_path(|file, layer, path, line| {
        let head = path.first().map_or("", String::as_str);
        let listed = lists(CRATES_OF_ALL, head) || lists(layer.crates, head);
        if path.len() > 1 && outside.contains(head) && !listed {
            broken.push(format!("{file}:{line}: {} uses {head}", layer.name));
        }
    });
    report("outside crates of the layers", &broken);
}

#[test]
fn clock_chance_environment_and_tasks_live_in_shell_alone() {
    let mut broken = Vec::new();
    each_production_path(|file, _, path, line| {
        let joined = format!("::{}::", path.join("::"));
        for (name, reason) in SHELL_ONLY {
            if joined.contains(&format!("::{name}::")) {
                broken.push(format!("{file}:{line}: {name}: {reason}"));
            }
        }
    });
    report("what belongs in shell", &broken);
}

#[test]
fn sql_lives_in_store_and_status_codes_in_http() {
    let mut broken = Vec::new();
    for (file, layer, stream) in production() {
        each_path(stream, &mut |path, line| {
            let names = |name: &str| path.iter().any(|part| part == name);
            if layer != "store" && path.len() > 1 && path[0] == "sqlx" {
                broken.push(format!("{file}:{line}: sqlx outside store"));
            }
            if layer != "http" && names("StatusCode") {
                broken.push(format!("{file}:{line}: a status code outside http"));
            }
        });
    }
    report("SQL and status codes", &broken);
}

#[test]
fn production_code_never_unwraps() {
    let mut broken = Vec::new();
    for (file, _, stream) in production() {
        each_path(stream, &mut |path, line| {
            if path.last().is_some_and(|name| name == ".unwrap") {
                broken.push(format!("{file}:{line}: unwrap()"));
            }
        });
    }
    report("unwrap", &broken);
}

#[test]
fn no_test_is_skipped_or_run_alone() {
    let mut broken = Vec::new();
    for file in rust_files() {
        each_attribute(tokens(&file, &read(&file)), &mut |attribute, line| {
            if attribute.starts_with("ignore") {
                broken.push(format!("{file}:{line}: #[{attribute}]"));
            }
        });
    }
    for file in tracked(&["ts", "tsx", "mjs"]) {
        for (line, text) in numbered(&read(&file)) {
            let found = ["it", "test", "describe"].iter().any(|name| {
                [".skip(", ".only(", ".todo("]
                    .iter()
                    .any(|end| text.contains(&format!("{name}{end}")))
            });
            if found {
                broken.push(format!("{file}:{line}: {}", text.trim()));
            }
        }
    }
    report("skipped tests", &broken);
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("dbg", "!("),
        concat!("todo", "!("),
    ];
    report("unfinished work", &lines_with(&marks));
}

#[test]
fn no_file_names_a_path_of_somebodys_machine() {
    let roots = [
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
    ];
    let broken: Vec<String> = lines_with(&roots)
        .into_iter()
        .filter(|found| roots.iter().any(|root| names_a_root(found, root)))
        .collect();
    report("absolute machine paths", &broken);
}

#[test]
fn lock_files_name_the_public_registries() {
    let mut broken = Vec::new();
    for file in tracked(&["lock", "json"]) {
        let public = match file.rsplit('/').next() {
            Some("Cargo.lock") => {
                "source = \"registry+https://github.com/rust-lang/crates.io-index\""
            }
            Some("package-lock.json") => "\"resolved\": \"https://registry.npmjs.org/",
            Some(_) | None => continue,
        };
        for (line, text) in numbered(&read(&file)) {
            let text = text.trim_start();
            let names_one = text.starts_with("source = ") || text.starts_with("\"resolved\"");
            if names_one && !text.starts_with(public) {
                broken.push(format!("{file}:{line}"));
            }
        }
    }
    report("registries", &broken);
}

#[test]
fn links_in_markdown_lead_somewhere() {
    let mut broken = Vec::new();
    for file in tracked(&["md"]) {
        let folder = Path::new(&file)
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or_default();
        for (line, target) in markdown_links(&read(&file)) {
            let path = target.split(['#', '?']).next().unwrap_or_default();
            let outside = target.contains("://") || target.starts_with("mailto:");
            if !outside && !path.is_empty() && !root().join(&folder).join(path).exists() {
                broken.push(format!("{file}:{line}: {target}"));
            }
        }
    }
    report("links", &broken);
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let rules: toml::Table = read("deny.toml").parse().expect("deny.toml is TOML");
    let allowed = strings(&rules["licenses"]["allow"]);
    let mut exceptions = BTreeMap::<String, BTreeSet<String>>::new();
    for row in rules["licenses"]["exceptions"]
        .as_array()
        .expect("exceptions is a list")
    {
        let name = row["crate"].as_str().expect("crate is a name");
        exceptions.insert(name.to_owned(), strings(&row["allow"]));
    }
    let mut broken = Vec::new();
    for package in packages() {
        let text = package.license.clone().unwrap_or_default();
        let excepted = exceptions.get(package.name.as_str());
        let holds = spdx::Expression::parse_mode(&text, spdx::ParseMode::LAX).is_ok_and(|terms| {
            terms.evaluate(|term| {
                let term = term.to_string();
                allowed.contains(&term) || excepted.is_some_and(|more| more.contains(&term))
            })
        });
        if !holds {
            broken.push(format!("{} {}: {text:?}", package.name, package.version));
        }
    }
    report("licences", &broken);
}

fn report(rule: &str, broken: &[String]) {
    assert!(
        broken.is_empty(),
        "{rule}: {} broken\n  {}",
        broken.len(),
        broken.join("\n  ")
    );
}

/// Whether a list separated by blanks has the name.
fn lists(list: &str, name: &str) -> bool {
    list.split(' ').any(|item| item == name)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Files that git knows or would add, by extension; an empty list means all.
fn tracked(extensions: &[&str]) -> Vec<String> {
    let output = Command::new("git")
        .current_dir(root())
        .args([
            "-c",
            "core.quotePath=false",
            "ls-files",
            "-co",
            "--exclude-standard",
        ])
        .output()
        .expect("git lists the files");
    assert!(
        output.status.success(),
        "git ls-files failed: the tests need a git checkout"
    );
    let files = String::from_utf8(output.stdout).expect("file names are UTF-8");
    files
        .lines()
        .filter(|file| {
            let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
            extensions.is_empty() || extensions.contains(&extension)
        })
        .filter(|file| root().join(file).is_file())
        .map(str::to_owned)
        .collect()
}

fn rust_files() -> Vec<String> {
    tracked(&["rs"])
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

fn overlong(file: &str, text: &str, lines_max: usize, columns_max: usize) -> Vec<String> {
    let mut broken: Vec<String> = numbered(text)
        .filter(|(_, line)| line.chars().count() > columns_max)
        .map(|(line, text)| format!("{file}:{line}: {} columns", text.chars().count()))
        .collect();
    let lines = text.lines().count();
    if lines > lines_max {
        broken.push(format!("{file}: {lines} lines"));
    }
    broken
}

/// The text with the quoted parts of each line taken out: a sentence or the path of a drawing stays
/// on one line however long it is.
fn without_quoted(text: &str) -> String {
    let bare = |line: &str| line.split(['\'', '"', '`']).step_by(2).collect::<String>();
    text.lines().map(bare).collect::<Vec<_>>().join("\n")
}

/// Lines of any text file that contain one of the marks.
fn lines_with(marks: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in tracked(&[]) {
        // A file that is not UTF-8 is a picture or a recording.
        let Ok(text) = std::fs::read_to_string(root().join(&file)) else {
            continue;
        };
        for (line, text) in numbered(&text) {
            if marks.iter().any(|mark| text.contains(mark)) {
                found.push(format!("{file}:{line}: {}", text.trim()));
            }
        }
    }
    found
}

/// Whether the root begins a path there: `https://example.org/home/` does not.
fn names_a_root(line: &str, root: &str) -> bool {
    line.match_indices(root).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || ".-_~*}".contains(c))
    })
}

/// Relative or absolute targets of inline links and images, outside code.
fn markdown_links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut fenced = false;
    for (line, text) in numbered(text) {
        if text.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // Every second piece between back-ticks is code.
        let prose: String = text.split('`').step_by(2).collect::<Vec<_>>().join("_");
        for opening in ["](", "src=\"", "href=\""] {
            for piece in prose.split(opening).skip(1) {
                let end = piece.find([')', '"', ' ']).unwrap_or(piece.len());
                links.push((line, piece[..end].to_owned()));
            }
        }
    }
    links
}

fn strings(list: &toml::Value) -> BTreeSet<String> {
    let items = list.as_array().expect("a list of texts").iter();
    items
        .map(|item| item.as_str().expect("a text").to_owned())
        .collect()
}

/// Every package that a Linux build of this machine's kind links or runs.
fn packages() -> Vec<cargo_metadata::Package> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command = cargo_metadata::MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml"));
    command.other_options(vec![
        "--filter-platform".to_owned(),
        target,
        "--locked".to_owned(),
    ]);
    command.exec().expect("cargo metadata answers").packages
}

/// Names by which Rust code calls the direct dependencies.
fn dependency_names() -> BTreeSet<String> {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("Cargo.toml is TOML");
    ["dependencies", "dev-dependencies"]
        .iter()
        .flat_map(|table| manifest[*table].as_table().expect("a table").keys())
        .map(|name| name.replace('-', "_"))
        .collect()
}

/// The server's sources without their tests: file, layer (empty at the top), tokens.
fn production() -> Vec<(String, String, TokenStream)> {
    let sources: Vec<(String, TokenStream)> = rust_files()
        .into_iter()
        .filter(|file| file.starts_with("src/"))
        .map(|file| {
            let stream = tokens(&file, &read(&file));
            (file, stream)
        })
        .collect();
    let mut test_modules = Vec::new();
    let mut kept = Vec::new();
    for (file, stream) in sources {
        let (stream, modules) = without_tests(stream);
        test_modules.extend(
            modules
                .iter()
                .map(|module| module_folder(&file).join(module)),
        );
        kept.push((file, stream));
    }
    kept.retain(|(file, _)| {
        !test_modules.iter().any(|module| {
            Path::new(file).starts_with(module) || Path::new(file) == module.with_extension("rs")
        })
    });
    kept.into_iter()
        .map(|(file, stream)| {
            let layer = file
                .split('/')
                .nth(1)
                .unwrap_or_default()
                .trim_end_matches(".rs");
            let layer = layer.to_owned();
            (file, layer, stream)
        })
        .collect()
}

/// Calls back for every path in a layer of the table, tests left out.
fn each_production_path(mut found: impl FnMut(&str, &Layer, &[String], usize)) {
    for (file, name, stream) in production() {
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
            continue;
        };
        each_path(stream, &mut |path, line| found(&file, layer, path, line));
    }
}
