//! What is run in the page before any script of its own: the library's settings, the library, and our
//! side of it. One script, so that the order is sure; and in the page itself alone, not in its frames.

use std::path::Path;

use anyhow::Context;

/// The library as it is built in.
const LIBRARY: &str = include_str!("../../../vendor/wa-js/wppconnect-wa.js");
const CONFIG: &str = include_str!("config.js");
/// Each uses those before it.
const OURS: [&str; 6] = [
    include_str!("page.js"),
    include_str!("files.js"),
    include_str!("gate.js"),
    include_str!("sending.js"),
    include_str!("methods.js"),
    include_str!("bridge.js"),
];

/// The script, with the library that is built in or another one.
pub(super) async fn preload(library: Option<&Path>) -> anyhow::Result<String> {
    let read = match library {
        Some(path) => tokio::fs::read_to_string(path).await.context("ANDANTE_WAJS_PATH can't be read")?,
        None => LIBRARY.to_owned(),
    };
    Ok(format!("if (window === window.top) {{\n{CONFIG}\n{read}\n{}\n}}", OURS.join("\n")))
}
