//! Real clients of the contract, as integrators write them: the guide's own examples, unchanged
//! but for the host, in Python with `requests` and in Node with `fetch`.

use std::path::Path;
use std::process::Command;

use crate::harness::TestApp;

async fn run(program: &str, script: &str) {
    let app = TestApp::start().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let (program, url) = (program.to_owned(), app.client.url.clone());
    let (script, shown) = (folder.join(script), script.to_owned());
    let output =
        tokio::task::spawn_blocking(move || Command::new(program).arg(script).arg(url).output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{shown} can't run ({error}); make test installs what it needs"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}:\n{said}");
    app.client.get("/api/messages?limit=1").await.expect(200)["data"][0]["id"].as_str().expect("it sent something");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_python_example_pairs_and_sends() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/bin/python");
    run(&python.display().to_string(), "guide.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_javascript_examples_work_in_order() {
    run("node", "guide.mjs").await;
}
