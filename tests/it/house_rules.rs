//! Rules of the house that the compiler can't check, checked by reading the source.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use andante::auth::access::Need;
use andante::config::SETTINGS;
use entity::api_key::Scope;
use entity::user::Role;

/// Files that may be longer than 300 lines, each with its reason.
const LONG: &[(&str, &str)] = &[("src/config.rs", "the table of settings is one table")];

fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() { walk(&entry.path(), found) } else { found.push(entry.path()) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "entity/src", "migration/src"] {
        walk(&root.join(folder), &mut found);
    }
    let name = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn files_stay_under_300_lines_or_have_a_reason() {
    for (name, text) in sources() {
        let lines = text.lines().take_while(|line| !line.contains("#[cfg(test)]")).count();
        let is_excused = LONG.iter().any(|(long, _)| *long == name);
        assert_eq!(lines > 300, is_excused, "{name} has {lines} lines");
    }
}

/// The pages' own scripts and sheets, with their texts.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut found) = (vec![root.join("static")], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.extension().and_then(|end| end.to_str()) {
                None if path.is_dir() && !path.ends_with("vendor") => folders.push(path),
                Some("js" | "css") => {
                    let name = path.strip_prefix(root).unwrap().display().to_string();
                    found.push((name, fs::read_to_string(path).unwrap()));
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn the_pages_files_are_short_and_make_no_markup_of_texts() {
    let pages = pages();
    assert!(pages.len() > 60, "only {} files were found", pages.len());
    for (name, text) in pages {
        assert!(text.lines().count() <= 300, "{name} is long");
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "http://",
            "https://",
        ] {
            let is_there = text.lines().any(|line| line.contains(word) && !line.trim_start().starts_with("//"));
            assert!(!is_there, "{name} has {word}");
        }
    }
}

#[test]
fn each_kind_of_knowledge_has_its_place() {
    for (word, places) in [
        ("redis::", &["src/queue/", "src/app.rs", "src/nodes.rs"][..]),
        ("Statement::", &["src/store/"]),
        ("execute_raw", &["src/store/"]),
        ("actix_web", &["src/api/", "src/auth/", "src/error.rs", "src/server.rs"]),
        ("frankenstein", &["src/gateway/telegram/"]),
        ("socketioxide", &["src/realtime/socketio.rs", "src/realtime/listener.rs"]),
        ("std::env::var", &["src/config.rs"]),
        ("gateway.send(", &["src/lane/attempt.rs"]),
        ("Utc::now", &["src/clock.rs"]),
        ("println!", &["src/main.rs"]),
    ] {
        for (name, text) in sources() {
            let is_used = text.lines().any(|line| line.contains(word) && !line.trim_start().starts_with("//"));
            assert!(!is_used || places.iter().any(|place| name.starts_with(place)), "{name} knows of {word}");
        }
    }
}

/// The modules of the library, each with its floor: the groups in which `src/lib.rs` lists them, from
/// the roof down.
fn floors() -> HashMap<String, usize> {
    let lib = read("src/lib.rs");
    let named = |line: &str| Some(line.strip_prefix("pub mod ")?.trim_end_matches(';').to_owned());
    let groups = lib.split("\n\n").map(|group| group.lines().filter_map(named).collect::<Vec<_>>());
    let groups = groups.filter(|group| !group.is_empty());
    groups.enumerate().flat_map(|(floor, group)| group.into_iter().map(move |name| (name, floor))).collect()
}

/// The modules of the library that a text names: `crate::one::…`, `crate::{one::…, two}`.
fn named_in(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut named = Vec::new();
    for path in code.split("crate::").skip(1) {
        let Some(group) = path.strip_prefix('{') else {
            named.push(path);
            continue;
        };
        let mut depth = 0_usize;
        named.push(group);
        for (at, letter) in group.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => named.push(&group[at + 1..]),
                _ => {}
            }
        }
    }
    let name =
        |path: &str| path.trim_start().split(|c: char| c != '_' && !c.is_alphanumeric()).next().map(str::to_owned);
    named.into_iter().filter_map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn a_file_imports_only_from_floors_below_its_own() {
    let floors = floors();
    assert!(floors.len() > 20 && floors["server"] == 0, "{floors:?}");
    let mut seen = 0;
    for (name, text) in sources() {
        let Some(path) = name.strip_prefix("src/").filter(|path| !matches!(*path, "lib.rs" | "main.rs")) else {
            continue;
        };
        let path: Vec<&str> = path.trim_end_matches(".rs").trim_end_matches("/mod").split('/').collect();
        let Some(own) = floors.get(path[0]) else { panic!("src/lib.rs does not list {name}") };
        let code = text.split("#[cfg(test)]").next().unwrap();
        assert!(!code.contains(&"super::".repeat(path.len())), "{name} reaches for other modules past `crate::`");
        for other in named_in(&text).into_iter().filter(|other| other != path[0]) {
            let Some(floor) = floors.get(&other) else {
                panic!("{name} names {other}, which src/lib.rs does not list")
            };
            assert!(floor > own, "{name} imports from {other}, which does not stand below it");
            seen += 1;
        }
    }
    assert!(seen > 300, "only {seen} imports were found");
}

#[test]
fn imports_are_found_however_they_are_written() {
    let text = "use crate::clock::Clock;\nuse crate::{\n    store::{Store, file::NewChat},\n    qr,\n};\n\
                //! [`crate::api`]\nfn f() -> crate::phone::Region {}";
    assert_eq!(named_in(text), ["clock", "store", "qr", "phone"]);
}

#[test]
fn pure_files_do_no_io_and_read_no_clock() {
    for name in [
        "src/pacing/plan.rs",
        "src/pacing/estimate.rs",
        "src/pacing/pace.rs",
        "src/pacing/policy.rs",
        "src/lane/retry.rs",
        "src/phone.rs",
    ] {
        let text = read(name);
        for word in ["async", "Clock", "now()", "rand::rng()", "std::fs", "std::net"] {
            assert!(!text.contains(word), "{name} has {word}");
        }
    }
}

#[test]
fn every_file_opens_with_its_job_and_every_script_with_its_keys() {
    for (name, text) in sources() {
        match name.rsplit('.').next().unwrap() {
            "rs" => assert!(text.starts_with("//! "), "{name}"),
            "lua" => {
                assert!(
                    text.starts_with("-- ") && text.contains("--   KEYS  ready, delayed, state, rebuild"),
                    "{name}"
                );
                assert!(text.contains("--   reply ") && !text.contains("'TIME'"), "{name}");
                assert!(text.lines().count() <= 60, "{name}");
                let file = name.rsplit('/').next().unwrap();
                assert!(read("src/queue/redis/scripts.rs").contains(&format!("{file}\"")), "{name} is not used");
            }
            _ => {}
        }
    }
}

#[test]
fn the_readme_tells_every_setting_as_it_is() {
    let readme = read("README.md");
    for setting in SETTINGS {
        let default = if setting.default.is_empty() { "–".to_owned() } else { format!("`{}`", setting.default) };
        let line = format!("| `{}` | `{}` | {default} | {} |", setting.env, setting.name, setting.meaning);
        assert!(readme.contains(&line), "the README's table lacks or differs in:\n{line}");
    }
}

#[test]
fn the_three_languages_have_the_same_words() {
    use serde_json::Value;
    let words = |folder: &str, language: &str| -> serde_json::Map<String, Value> {
        serde_json::from_str(&read(&format!("static/i18n/{folder}{language}.json"))).unwrap()
    };
    // How many there are of something: what each language tells apart, by Unicode's rules.
    let forms = HashMap::from([
        ("en", vec!["one", "other"]),
        ("ru", vec!["one", "few", "many", "other"]),
        ("ky", vec!["one", "other"]),
    ]);
    for folder in ["", "pair/"] {
        let english = words(folder, "en");
        for (language, forms) in &forms {
            let own = words(folder, language);
            assert_eq!(own.keys().collect::<Vec<_>>(), english.keys().collect::<Vec<_>>(), "{folder}{language}");
            for (key, word) in &own {
                assert_eq!(word.is_object(), english[key].is_object(), "{folder}{language}: {key}");
                let Some(word) = word.as_object() else { continue };
                assert!(forms.iter().all(|form| word[*form].is_string()), "{folder}{language}: {key}");
            }
        }
    }
}

/// Whether an address needs a caller, but for registering and signing in.
fn is_guarded(path: &str) -> bool {
    path.starts_with("/api/") || path.starts_with("/instances/") && !path.ends_with("/health")
}

#[test]
fn the_contract_the_route_table_and_the_access_table_agree() {
    let contract = serde_json::to_value(<andante::api::docs::Contract as utoipa::OpenApi>::openapi()).unwrap();
    let paths = contract["paths"].as_object().unwrap();
    let mut published: Vec<(String, String)> = paths
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(|m| (path.clone(), m.clone())))
        .filter(|(path, _)| is_guarded(path))
        .collect();
    published.sort();
    let table = read("src/api/mod.rs");
    let mut routed = Vec::new();
    for line in table.split(".service(at(\"").skip(1) {
        let (path, rest) = line.split_once('"').unwrap();
        let methods = rest.split(".service(").next().unwrap();
        for method in ["get", "post", "put", "patch", "delete"] {
            if is_guarded(path) && methods.contains(&format!(".{method}(")) {
                routed.push((path.to_owned(), method.to_owned()));
            }
        }
    }
    routed.sort();
    assert_eq!(published, routed);
    // Everybody may register and sign in.
    let mut guarded: Vec<(String, String)> = andante::auth::access::TABLE
        .iter()
        .map(|(method, path, _)| ((*path).to_owned(), method.to_lowercase()))
        .chain(["register", "login"].map(|open| (format!("/api/auth/{open}"), "post".to_owned())))
        .collect();
    guarded.sort();
    assert_eq!(published, guarded);
}

#[test]
fn the_readme_tells_every_event_and_every_right() {
    let readme = read("README.md");
    for (name, when) in andante::realtime::emission::NAMES {
        let line = format!("| `{name}` | {when} |");
        assert!(readme.contains(&line), "the README's table of events lacks\n{line}");
    }
    for need in Need::ALL {
        let addresses: Vec<String> = andante::auth::access::TABLE
            .iter()
            .filter(|(_, _, other)| other == need)
            .map(|(method, path, _)| format!("`{method} {path}`"))
            .collect();
        let yes = |may: bool| if may { "yes" } else { "–" };
        let manager = match need {
            Need::SignedIn => "yes",
            Need::Read => "`read`",
            Need::Send => "`write`",
            Need::ManageChats => "`manage`",
            Need::Company | Need::Admin => "–",
        };
        assert_eq!(need.is_met_by_role(Role::Manager), manager != "–");
        let scopes = [Scope::All, Scope::Send, Scope::Read].map(|scope| yes(need.is_met_by_scope(scope)));
        let line = format!("| {} | {manager} | {} |", addresses.join("<br>"), scopes.join(" | "));
        assert!(readme.contains(&line), "the README's table of roles lacks\n{line}");
    }
}
