//! Reading Rust as tokens: functions, attributes, paths and what is test code.

use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The tokens of a file; comments are gone, doc comments are attributes.
pub fn tokens(file: &str, text: &str) -> TokenStream {
    text.parse()
        .unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The folder where a file's child modules live.
pub fn module_folder(file: &str) -> PathBuf {
    let path = Path::new(file);
    match path.file_name().and_then(|name| name.to_str()) {
        Some("mod.rs" | "lib.rs" | "main.rs") => path.parent().unwrap_or(path).to_path_buf(),
        Some(_) | None => path.with_extension(""),
    }
}

/// Drops every item under `#[cfg(test)]`; names the modules among them that are other files.
pub fn without_tests(stream: TokenStream) -> (TokenStream, Vec<String>) {
    let mut kept = Vec::new();
    let mut modules = Vec::new();
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        let marks_test = matches!(&tree, TokenTree::Punct(mark) if mark.as_char() == '#')
            && matches!(trees.peek(), Some(TokenTree::Group(group)) if is_cfg_test(group));
        if marks_test {
            let mut previous = String::new();
            for skipped in trees.by_ref() {
                let text = skipped.to_string();
                let body =
                    matches!(&skipped, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace);
                if text == ";" {
                    modules.push(previous);
                    break;
                }
                if body {
                    break;
                }
                previous = text;
            }
        } else if let TokenTree::Group(group) = tree {
            let (inner, more) = without_tests(group.stream());
            modules.extend(more);
            let mut rebuilt = Group::new(group.delimiter(), inner);
            rebuilt.set_span(group.span());
            kept.push(TokenTree::Group(rebuilt));
        } else {
            kept.push(tree);
        }
    }
    (kept.into_iter().collect(), modules)
}

fn is_cfg_test(attribute: &Group) -> bool {
    attribute.to_string().replace(' ', "") == "[cfg(test)]"
}

/// Calls back with name, first and last line of every function with a body.
pub fn each_function(stream: TokenStream, found: &mut impl FnMut(&str, usize, usize)) {
    let mut open: Option<(String, usize)> = None;
    let mut after_fn: Option<usize> = None;
    for tree in stream {
        let starts_at = after_fn.take();
        match tree {
            TokenTree::Ident(name) if starts_at.is_some() => {
                open = starts_at.map(|line| (name.to_string(), line));
            }
            TokenTree::Ident(word) if word == "fn" => after_fn = Some(word.span().start().line),
            TokenTree::Punct(mark) if mark.as_char() == ';' => open = None,
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Brace
                    && let Some((name, first)) = open.take()
                {
                    found(&name, first, group.span_close().end().line);
                }
                each_function(group.stream(), found);
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Calls back with the text of every attribute.
pub fn each_attribute(stream: TokenStream, found: &mut impl FnMut(&str, usize)) {
    let mut hash = false;
    for tree in stream {
        let after_hash = hash;
        hash = matches!(&tree, TokenTree::Punct(mark) if mark.as_char() == '#');
        if let TokenTree::Group(group) = tree {
            if after_hash {
                found(&group.stream().to_string(), group.span_open().start().line);
            }
            each_attribute(group.stream(), found);
        }
    }
}

/// Calls back for every path, `use` trees unfolded: `use a::{b, c::d}` is `a::b` and `a::c::d`.
/// A method's name comes as a path of one part that begins with a dot.
pub fn each_path(stream: TokenStream, found: &mut impl FnMut(&[String], usize)) {
    paths_under(&[], stream, found);
}

fn paths_under(prefix: &[String], stream: TokenStream, found: &mut impl FnMut(&[String], usize)) {
    let mut path = prefix.to_vec();
    let mut line = 0;
    let mut previous = ' ';
    let mut colons = 0;
    for tree in stream {
        match tree {
            TokenTree::Ident(name) => {
                if colons != 2 && path.len() > prefix.len() {
                    found(&path, line);
                    path = prefix.to_vec();
                }
                let dotted = previous == '.' && path.is_empty();
                path.push(if dotted {
                    format!(".{name}")
                } else {
                    name.to_string()
                });
                (line, previous, colons) = (name.span().start().line, ' ', 0);
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' => {
                (previous, colons) = (':', colons + 1);
            }
            TokenTree::Group(group) => {
                let unfolds = colons == 2 && group.delimiter() == Delimiter::Brace;
                let inner_prefix = if unfolds {
                    std::mem::take(&mut path)
                } else {
                    Vec::new()
                };
                if path.len() > prefix.len() {
                    found(&path, line);
                }
                paths_under(&inner_prefix, group.stream(), found);
                path = prefix.to_vec();
                (previous, colons) = (' ', 0);
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {
                if path.len() > prefix.len() {
                    found(&path, line);
                }
                path = prefix.to_vec();
                previous = if let TokenTree::Punct(mark) = tree {
                    mark.as_char()
                } else {
                    ' '
                };
                colons = 0;
            }
        }
    }
    if path.len() > prefix.len() {
        found(&path, line);
    }
}

/// The top-level module that a path names: `crate::x`, or `super::…::x` as far up as the top.
pub fn crate_target(file: &str, path: &[String]) -> Option<String> {
    let supers = path.iter().take_while(|part| *part == "super").count();
    let depth = module_folder(file).components().count() - 1;
    let at_top =
        path.first().is_some_and(|head| head == "crate") || (supers > 0 && supers == depth);
    let skipped = supers.max(1);
    at_top.then(|| path.get(skipped).cloned()).flatten()
}

#[test]
fn paths_are_found_in_use_trees_macros_and_calls() {
    let text = "use crate::{hub, store::{a, b}}; fn f() { vec![sqlx::query(x.unwrap())]; }";
    let mut found = Vec::new();
    each_path(tokens("sample", text), &mut |path, _| {
        found.push(path.join("::"))
    });
    for expected in [
        "crate::hub",
        "crate::store::a",
        "crate::store::b",
        "sqlx::query",
        ".unwrap",
    ] {
        assert!(
            found.iter().any(|path| path == expected),
            "{expected} is missing in {found:?}"
        );
    }
}

#[test]
fn test_items_are_dropped_and_test_files_named() {
    let text = "fn kept() {} #[cfg(test)] mod tests { fn gone() {} } #[cfg(test)] mod fixtures;";
    let (kept, modules) = without_tests(tokens("sample", text));
    let mut functions = Vec::new();
    each_function(kept, &mut |name, _, _| functions.push(name.to_owned()));
    assert_eq!(
        (functions, modules),
        (vec!["kept".to_owned()], vec!["fixtures".to_owned()])
    );
}

#[test]
fn a_function_is_measured_from_fn_to_its_brace() {
    let text = "#[inline]\nfn short(x: [u8; 2])\n{\n}\nimpl A { fn inner() {\n} }";
    let mut found = Vec::new();
    each_function(tokens("sample", text), &mut |name, first, last| {
        found.push((name.to_owned(), first, last));
    });
    assert_eq!(
        found,
        [("short".to_owned(), 2, 4), ("inner".to_owned(), 5, 6)]
    );
}

#[test]
fn supers_that_climb_to_the_top_name_a_layer() {
    let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
    let target = |file, text| crate_target(file, &path(text));
    assert_eq!(
        target("src/domain/id.rs", "super::super::hub::x"),
        Some("hub".to_owned())
    );
    assert_eq!(
        target("src/domain/mod.rs", "super::hub"),
        Some("hub".to_owned())
    );
    assert_eq!(
        target("src/domain/id.rs", "crate::store"),
        Some("store".to_owned())
    );
    assert_eq!(target("src/domain/id.rs", "super::hub"), None);
}
