//! Real clients of the contract, as integrators write them: the guides' own examples, unchanged
//! but for host and token, the stock Socket.IO client in its three modes, Python's `requests`; and
//! `schemathesis`, which holds the server to what it publishes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::bot_api::{BotApi, token};
use crate::harness::{Company, TestApp, free_port, free_ports, guarded, ready_account};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn python() -> String {
    root().join("target/clients/bin/python").display().to_string()
}

/// Runs a program to its end, in the folder of the clients.
async fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root().join("tests/clients"));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; make setup installs what it needs"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &*String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}:\n{said}");
}

async fn has_sent(app: &TestApp) {
    app.client.get("/api/messages?limit=1").await.expect(200)["data"][0]["id"].as_str().expect("it sent something");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_python_example_pairs_and_sends() {
    let app = TestApp::start().await;
    run(&python(), &["guide.py", &app.client.url]).await;
    has_sent(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_javascript_examples_work_in_order() {
    let app = TestApp::start().await;
    run("node", &["guide.mjs", &app.client.url]).await;
    has_sent(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_guides_hook_and_examples_run_as_printed() {
    let (open, guarded) = (TestApp::start().await, guarded(&[]).await);
    let built = tempfile::Builder::new().suffix(".mjs").tempfile_in(root().join("tests/clients/node_modules")).unwrap();
    let to = format!("--outfile={}", built.path().display());
    let bundle = ["guide.tsx", "--bundle", "--platform=node", "--format=esm", "--packages=external", &to];
    run("node_modules/.bin/esbuild", &bundle).await;
    run("node", &[&built.path().display().to_string(), &open.client.url, &guarded.client.url]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_client_hears_the_whole_story_in_its_three_modes() {
    let app = guarded(&[]).await;
    run("node", &["story.mjs", &app.client.url]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_client_comes_back_after_a_restart() {
    let port = free_port();
    let mut app = guarded(&[("ANDANTE_BIND", &format!("127.0.0.1:{port}"))]).await;
    let company = Company::register(&app.client, "clinic").await;
    let account = ready_account(&company.admin, json!({})).await;
    let mut child = Command::new("node")
        .args(["reconnect.mjs", &app.client.url, &company.token])
        .current_dir(root().join("tests/clients"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(tokio::task::block_in_place(|| lines.next().unwrap().unwrap()), "connected");
    app.stop().await;
    app.resume().await;
    company.admin.status(&account, "CONNECTED").await;
    let ended = crate::harness::eventually("all have come back", 60, async || {
        app.app().simulator.stage(TestApp::id(&account))?.types("996700123456@c.us", true);
        child.try_wait().unwrap()
    });
    assert!(ended.await.success());
}

/// The page's side of the gateway `whatsappweb`: it fits the library's published types, and keeps its promises.
#[tokio::test(flavor = "multi_thread")]
async fn the_bridge_to_whatsapp_web_fits_the_library_and_keeps_its_promises() {
    run("node_modules/.bin/tsc", &["--project", "bridge"]).await;
    run("node", &["--test", "bridge/bridge.test.mjs", "bridge/files.test.mjs"]).await;
}

/// In the order of the report that found the first of its kind broken.
#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_the_instance_report_work_as_written() {
    let (api, range) = (BotApi::start(), free_ports(5));
    let page = ("ANDANTE_WHATSAPPWEB_URL", "http://127.0.0.1:9");
    let settings = [("ANDANTE_TELEGRAM_API_URL", &*api.url), ("ANDANTE_INSTANCE_PORTS", &range), page];
    let app = TestApp::with(&settings).await;
    run("node", &["instances.mjs", &app.client.url, &token(1)]).await;
    assert_eq!(api.taken().iter().map(|taken| taken.chat.as_str()).collect::<Vec<_>>(), ["134527512"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_works_by_python_requests() {
    let app = guarded(&[]).await;
    run(&python(), &["company.py", &app.client.url]).await;
}

/// In guarded mode, with a key that may do everything: no internal error, no status and no header
/// that is not published, no answer of another shape than is published. Bounded in time.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_keeps_to_what_it_publishes() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let key = company.key("all").await;
    ready_account(&company.admin, json!({})).await;
    let (contract, authorization) =
        (format!("{}/openapi.json", app.client.url), format!("Authorization: Bearer {key}"));
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                  response_schema_conformance";
    let bounds = ["--max-examples", "15", "--max-time", "60", "--seed", "4711", "--workers", "1", "--no-color"];
    let program = root().join("target/clients/bin/st").display().to_string();
    run(&program, &[["run", &contract, "-H", &authorization, "-c", checks].as_slice(), &bounds].concat()).await;
}
