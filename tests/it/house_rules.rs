//! Rules of the house that the compiler can't check, checked by reading the source.

use std::fs;
use std::path::{Path, PathBuf};

use andante::config::SETTINGS;

/// Files that may be longer than 300 lines, each with its reason.
const LONG: &[(&str, &str)] = &[
    ("src/config.rs", "the table of settings is one table"),
    ("src/gateway/simulator.rs", "a whole messenger: pairing, sending, receipts and every fault"),
    ("src/api/send.rs", "what may be asked of a message is one list"),
    ("src/store/message.rs", "the statements of a message's life are read side by side"),
];

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

#[test]
fn each_kind_of_knowledge_has_its_place() {
    for (word, places) in [
        ("redis::", &["src/queue/", "src/app.rs"][..]),
        ("Statement::", &["src/store/"]),
        ("execute_raw", &["src/store/"]),
        ("actix_web", &["src/api/", "src/auth/", "src/error.rs", "src/app.rs"]),
        ("frankenstein", &["src/gateway/telegram.rs"]),
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
                assert!(text.starts_with("-- ") && text.contains("--   KEYS  ready, delayed, state"), "{name}");
                assert!(text.contains("--   reply ") && !text.contains("'TIME'"), "{name}");
                assert!(text.lines().count() <= 60, "{name}");
                let file = name.rsplit('/').next().unwrap();
                assert!(read("src/queue/redis.rs").contains(&format!("\"{file}\"")), "{name} is not used");
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
    let keys = |language: &str| -> Vec<String> {
        let words: serde_json::Value = serde_json::from_str(&read(&format!("static/i18n/{language}.json"))).unwrap();
        words.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(keys("ru"), keys("en"));
    assert_eq!(keys("ky"), keys("en"));
}

#[test]
fn the_contract_and_the_route_table_agree() {
    let table = read("src/api/mod.rs");
    let contract = serde_json::to_value(<andante::api::docs::Contract as utoipa::OpenApi>::openapi()).unwrap();
    let mut published = 0;
    for (path, methods) in contract["paths"].as_object().unwrap() {
        let line =
            table.lines().find(|line| line.contains(&format!("at(\"{path}\")"))).unwrap_or_else(|| panic!("{path}"));
        for method in methods.as_object().unwrap().keys() {
            assert!(line.contains(&format!(".{method}(")), "{method} {path}");
            published += 1;
        }
    }
    let api = table.lines().filter(|line| line.contains("at(\"/api/"));
    let routed: usize =
        api.map(|line| [".get(", ".post(", ".put(", ".delete("].iter().filter(|m| line.contains(**m)).count()).sum();
    assert_eq!(published, routed + 3, "besides the API, the contract tells of /health, /health/live and /metrics");
}
