//! The pages' files, as a browser and others ask for them.

use reqwest::{Client, Method, Response};

use crate::harness::TestApp;

async fn ask(method: Method, app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Client::builder().build().unwrap().request(method, format!("{}{path}", app.client.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn every_page_is_the_shell_whose_files_are_kept_for_ever() {
    let app = TestApp::start().await;
    let mut shell = None;
    for path in [
        "/",
        "/login",
        "/accounts/acc_x",
        "/accounts/acc_x/queue",
        "/chats",
        "/chats/acc_x/7707%40c.us",
        "/messages",
        "/team",
    ] {
        let page = ask(Method::GET, &app, path, &[]).await;
        assert_eq!((page.status().as_u16(), header(&page, "cache-control")), (200, "no-store".to_owned()), "{path}");
        let policy = header(&page, "content-security-policy");
        assert!(
            policy.contains("require-trusted-types-for 'script'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        let text = page.text().await.unwrap();
        assert_eq!(*shell.get_or_insert(text.clone()), text);
        assert_eq!(ask(Method::HEAD, &app, path, &[]).await.status(), 200);
    }
    let shell = shell.unwrap();
    assert!(shell.contains("data-auth=\"open\"") && !shell.contains("{static}"), "{shell}");
    let of = |text: &str| {
        text.split("src=\"")
            .find_map(|rest| rest.split('"').next().filter(|it| it.ends_with("app.js")).map(str::to_owned))
    };
    let script = of(&shell).unwrap();
    for (asked, coding) in [("gzip", "gzip"), ("br, gzip;q=0.5", "gzip"), ("gzip;q=0", ""), ("br", ""), ("", "")] {
        let file = ask(Method::GET, &app, &script, &[("accept-encoding", asked)]).await;
        assert_eq!((file.status().as_u16(), header(&file, "content-encoding")), (200, coding.to_owned()), "{asked}");
        assert!(
            header(&file, "cache-control").contains("immutable") && header(&file, "vary").contains("Accept-Encoding")
        );
    }
    // Of another version there is none.
    let version = script.split('/').nth(2).unwrap();
    assert_eq!(ask(Method::GET, &app, &script.replace(version, "~0000000000000000"), &[]).await.status(), 404);
}

#[tokio::test]
async fn a_file_by_its_name_alone_is_asked_for_anew_and_nothing_else_is_a_file() {
    let app = TestApp::start().await;
    let file = ask(Method::GET, &app, "/static/tokens.css", &[]).await;
    let (tag, kept) = (header(&file, "etag"), header(&file, "cache-control"));
    assert_eq!(kept, "no-cache");
    for seen in [tag.clone(), format!("\"other\", {tag}"), tag.trim_start_matches("W/").to_owned()] {
        assert_eq!(
            ask(Method::GET, &app, "/static/tokens.css", &[("if-none-match", &seen)]).await.status(),
            304,
            "{seen}"
        );
    }
    assert_eq!(ask(Method::GET, &app, "/static/tokens.css", &[("if-none-match", "\"other\"")]).await.status(), 200);
    for path in [
        "/static/index.html",
        "/static/..%2fCargo.toml",
        "/static/%2e%2e/Cargo.toml",
        "/static/",
        "/static/vendor",
        "/static/nothing.js",
    ] {
        assert_eq!(ask(Method::GET, &app, path, &[]).await.status(), 404, "{path}");
    }
    // What people are told is in nobody's cache.
    assert_eq!(header(&ask(Method::GET, &app, "/api/accounts", &[]).await, "cache-control"), "no-store");
}
