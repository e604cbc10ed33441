//! Socket.IO as clients meet it: who gets in, who hears what, who is cut off; on one node and on
//! two. The whole story in the stock client's three modes is told in `tests/clients`.

use andante::clock::Clock;
use chrono::TimeDelta;
use serde_json::json;

use crate::harness::{
    Company, Entrance, Postgres, Redis, Socket, TestApp, eventually, guarded, login, mark, ready_account,
};

/// The marks heard up to the last one.
async fn marks(socket: &mut Socket, last: &str) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let chat = socket.event("typing-status").await["chatId"].as_str().unwrap().to_owned();
        let is_last = chat == last;
        heard.push(chat);
        if is_last {
            return heard;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_shows_something_good_gets_in() {
    let app = guarded(&[("ANDANTE_API_KEY", "a-key-of-the-operator")]).await;
    let company = Company::register(&app.client, "clinic").await;
    let key = company.key("read").await;
    for good in [company.token.as_str(), &key, "a-key-of-the-operator"] {
        Socket::enter(&app.client, json!({ "token": good })).await.socket();
    }
    for bad in [json!({}), json!({"token": 7}), json!({"token": ""})] {
        assert!(Socket::enter(&app.client, bad).await.refusal().contains("credentials are needed"));
    }
    for bad in ["nonsense", "ak_nonsense", &format!("{}x", company.token)] {
        let why = Socket::enter(&app.client, json!({ "token": bad })).await.refusal();
        assert!(why.contains("not valid"), "{why}");
    }
    let open = TestApp::start().await;
    Socket::enter(&open.client, json!({})).await.socket();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_hears_its_own_and_a_manager_what_is_granted_while_it_is() {
    let app = guarded(&[]).await;
    let (ours, theirs) = (Company::register(&app.client, "ours").await, Company::register(&app.client, "theirs").await);
    let granted = ready_account(&ours.admin, json!({})).await;
    let hidden = ready_account(&ours.admin, json!({})).await;
    let foreign = ready_account(&theirs.admin, json!({})).await;
    let manager = ours.manager("anna").await;
    let mut admin = Socket::with_token(&app.client, &ours.token).await;
    let mut anna = Socket::with_token(&app.client, &manager.token).await;
    mark(&app, &granted, "before");
    ours.grant(&granted, &manager, &["read", "write"]).await;
    let told = anna.event("manager-access-granted").await;
    assert_eq!((&told["sessionId"], &told["managerId"]), (&json!(granted), &json!(manager.id)));
    assert_eq!((&told["permissions"], &told["managerName"]), (&json!(["read", "write"]), &json!("anna Ivanova")));
    assert!(told["grantedBy"].as_str().unwrap().starts_with("usr_") && told["timestamp"].is_string());
    for account in [&foreign, &hidden, &granted] {
        mark(&app, account, &format!("{account} while"));
    }
    assert_eq!(marks(&mut anna, &format!("{granted} while")).await.len(), 1);
    ours.admin.delete(&format!("/api/whatsapp/sessions/{granted}/managers/{}", manager.id)).await.expect(200);
    mark(&app, &granted, "after");
    let told = anna.event("manager-access-revoked").await;
    assert_eq!((&told["sessionId"], &told["revokedBy"].is_string()), (&json!(granted), &true));
    ours.grant(&hidden, &manager, &["read"]).await;
    mark(&app, &hidden, "the end");
    assert_eq!(marks(&mut anna, "the end").await, ["the end"]);
    let heard = marks(&mut admin, "the end").await;
    assert_eq!(heard, ["before", &format!("{hidden} while"), &format!("{granted} while"), "after", "the end"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_an_account_is_counted_and_none_is_missing() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let account = ready_account(&company.admin, json!({})).await;
    let mut socket = Socket::with_token(&app.client, &company.token).await;
    for number in 0..200 {
        mark(&app, &account, &number.to_string());
    }
    let heard = socket.until("typing-status").await;
    let first = heard.last().unwrap().1.clone();
    let (mut seq, source) = (first["seq"].as_u64().unwrap(), first["source"].clone());
    for number in 1..200 {
        let next = socket.event("typing-status").await;
        assert_eq!((&next["chatId"], &next["source"]), (&json!(number.to_string()), &source));
        assert_eq!(next["seq"].as_u64(), Some(seq + 1));
        seq += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ends_cuts_its_sockets_and_no_others() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let other = login(&app.client, "admin@clinic.example").await;
    let manager = company.manager("anna").await;
    let key = company.admin.post("/api/api-keys", json!({"name": "k"})).await.expect(201);
    let mut stays = Socket::with_token(&app.client, &company.token).await;
    let mut logged_out = Socket::with_token(&app.client, &other).await;
    let mut removed = Socket::with_token(&app.client, &manager.token).await;
    let mut keyed = Socket::with_token(&app.client, key["key"].as_str().unwrap()).await;
    app.client.with_key(&other).post("/api/auth/logout", json!({})).await.expect(200);
    logged_out.end().await;
    company.admin.delete(&format!("/api/managers/{}", manager.id)).await.expect(200);
    removed.end().await;
    company.admin.delete(&format!("/api/api-keys/{}", key["id"].as_str().unwrap())).await.expect(200);
    keyed.end().await;
    assert!(matches!(Socket::enter(&app.client, json!({ "token": other })).await, Entrance::Refused(_)));
    let account = ready_account(&company.admin, json!({})).await;
    mark(&app, &account, "still here");
    stays.event("typing-status").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_cuts_its_sockets() {
    let clock = Clock::manual(Clock::system().now());
    let app = TestApp::on(&[("ANDANTE_AUTH", "required"), ("ANDANTE_LOGIN_HOURS", "1")], clock.clone()).await;
    let company = Company::register(&app.client, "clinic").await;
    let mut socket = Socket::with_token(&app.client, &company.token).await;
    clock.advance_to(clock.now() + TimeDelta::hours(1));
    socket.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_told_with_what_it_was_about() {
    use andante::gateway::simulator::Fault;
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let account = ready_account(&company.admin, json!({})).await;
    let mut socket = Socket::with_token(&app.client, &company.token).await;
    let stage = app.app().simulator.stage(TestApp::id(&account)).unwrap();
    stage.fail_next([Fault::Refuse, Fault::During]);
    company.admin.send(&account, "77777777777", "to nobody").await;
    let failed = socket.event("send-error").await;
    assert_eq!((&failed["errorType"], &failed["messageText"]), (&json!("refused"), &json!("to nobody")));
    assert_eq!((&failed["chatId"], &failed["sessionId"]), (&json!("77777777777@c.us"), &json!(account)));
    assert!(failed["message"].is_string() && failed["timestamp"].is_string());
    company.admin.send(&account, "77777777777", "perhaps").await;
    let failed = socket.event("send-error").await;
    assert_eq!(failed["errorType"], "uncertain");
    assert!(failed["chatId"].as_str().unwrap().starts_with("cht_"), "it may have left, so it is in its chat");
    stage.names(&[("77777777777@c.us", "Айгуль"), ("70000000000@c.us", "Nobody here")]);
    socket.event("chat-updated").await;
    let chats = company.admin.get(&format!("/api/accounts/{account}/chats")).await.expect(200);
    assert_eq!((&chats["data"][0]["chatName"], &chats["pagination"]["total"]), (&json!("Айгуль"), &json!(1)));
    stage.cut();
    assert_eq!(socket.event("session-error").await["errorType"], "connection_lost");
    assert_eq!(socket.event("session-disconnected").await["reason"], "connection_lost");
    socket.event("session-connected").await;
    stage.log_out();
    assert_eq!(socket.event("disconnected").await["reason"], "logged_out");
    company.admin.delete(&format!("/api/accounts/{account}")).await.expect(200);
    assert_eq!(socket.event("session-disconnected").await["reason"], "removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_ours_gets_in_by_its_cookie_and_a_foreign_one_does_not() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let enter = async |origin: &str| {
        let cookie = format!("other=1; andante_token={}", company.token);
        Socket::enter_from(&app.client, &[("Cookie", &cookie), ("Origin", origin)]).await
    };
    enter(&app.client.url).await.socket();
    assert!(enter("https://evil.example").await.refusal().contains("credentials are needed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_told_at_most_once_a_second() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let account = ready_account(&company.admin, json!({"limits": {"delayMs": [0, 0]}})).await;
    let mut socket = Socket::with_token(&app.client, &company.token).await;
    let began = app.app().clock.now();
    for number in 0..100 {
        company.admin.send(&account, "77777777777", &format!("m{number}")).await;
    }
    let mut told = 0;
    loop {
        let stats = socket.event("stats-updated").await;
        told += 1;
        if stats["stats"]["totalMessages"] == 100 {
            assert_eq!(stats["companyId"], json!(company.id));
            assert_eq!((&stats["stats"]["totalChats"], &stats["stats"]["connectedSessions"]), (&json!(1), &json!(1)));
            break;
        }
    }
    let most = (app.app().clock.now() - began).num_seconds() + 2;
    assert!(told <= most, "{told} in {most} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_has_so_many_places_and_gets_them_back() {
    let app = guarded(&[("ANDANTE_SOCKET_CONNECTIONS", "2")]).await;
    let (ours, theirs) = (Company::register(&app.client, "ours").await, Company::register(&app.client, "theirs").await);
    let first = Socket::with_token(&app.client, &ours.token).await;
    let _second = Socket::with_token(&app.client, &ours.token).await;
    let why = Socket::enter(&app.client, json!({ "token": ours.token })).await.refusal();
    assert!(why.contains("too many"), "{why}");
    Socket::with_token(&app.client, &theirs.token).await;
    drop(first);
    eventually("a place is free again", 20, async || {
        matches!(Socket::enter(&app.client, json!({ "token": ours.token })).await, Entrance::In(_)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn news_cross_nodes_and_go_on_after_redis_was_away() {
    let (url, mut redis) = (Postgres::database().await, Redis::start().await);
    let settings = [("DATABASE_URL", url.as_str()), ("REDIS_URL", &redis.url())];
    let first = guarded(&settings).await;
    let company = Company::register(&first.client, "clinic").await;
    let account = ready_account(&company.admin, json!({})).await;
    let manager = company.manager("anna").await;
    company.grant(&account, &manager, &["read"]).await;
    let second = guarded(&settings).await;
    // The second node has taken the account over; the first one's clients hear of it all the same.
    let admin_there = second.client.with_key(&company.token);
    admin_there.status(&account, "CONNECTED").await;
    let mut here = Socket::with_token(&first.client, &company.token).await;
    let mut anna = Socket::with_token(&first.client, &manager.token).await;
    hears(&second, &account, &mut here, "across").await;
    hears(&second, &account, &mut anna, "across").await;
    redis.stop();
    mark(&second, &account, "lost");
    redis.resume().await;
    hears(&second, &account, &mut here, "again").await;
    // What is taken back on one node is taken back on the other.
    let grant = format!("/api/whatsapp/sessions/{account}/managers/{}", manager.id);
    admin_there.delete(&grant).await.expect(200);
    anna.event("manager-access-revoked").await;
    first.client.with_key(&manager.token).get(&format!("/api/accounts/{account}")).await.refused(403, "no_access");
    admin_there.post("/api/auth/logout", json!({})).await.expect(200);
    here.end().await;
    company.admin.get("/api/auth/me").await.refused(401, "unauthorized");
}

/// Marks again and again until the socket hears one: the nodes have found each other.
async fn hears(app: &TestApp, account: &str, socket: &mut Socket, text: &str) {
    let mut number = 0;
    let marking = async {
        eventually("the mark is heard", 60, async || {
            mark(app, account, &format!("{text} {number}"));
            number += 1;
            None::<()>
        })
        .await;
    };
    let hearing = async {
        loop {
            let event = socket.event("typing-status").await;
            if event["chatId"].as_str().unwrap().starts_with(text) {
                return;
            }
        }
    };
    tokio::select! {
        () = marking => {}
        () = hearing => {}
    }
}
