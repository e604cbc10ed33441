//! Phone numbers as people and programs write them: valid ones by the plans of their countries,
//! national forms where the operator says which country it is, and JSON numbers.

use serde_json::{Value, json};

use crate::harness::{Binary, Client, TestApp};

async fn account(client: &Client) -> String {
    client.create(json!({"name": "A"})).await
}

/// The digits it is sent to; or why not, as the answer's sentence.
async fn read(client: &Client, account: &str, to: &str) -> Result<String, String> {
    let body = json!({"accountId": account, "to": to, "message": "m"});
    let answer = client.post("/api/messages/send", body).await;
    if answer.status == 202 {
        let message = client.message(answer.body["messageId"].as_str().unwrap()).await;
        return Ok(message["to"].as_str().unwrap().to_owned());
    }
    let said = answer.refused(422, "invalid_number");
    assert_eq!(said["details"][0]["field"], "to", "{said}");
    Err(said["error"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_no_country_has_is_refused_with_the_way_to_write_it() {
    let app = TestApp::start().await;
    let account = account(&app.client).await;
    for to in [
        "8 777 777 77 77",
        "+8 777 777 77 77",
        "87777777777",
        "0700 123 456",
        "+7 000 000 00 00",
        "+996 700",
        "+999 123 456 789",
        "+996 700 123 456 789",
        "+1 000 000 0000",
        "123@c.us",
        "1234567890123456@c.us",
        "77777777777x@c.us",
    ] {
        let why = read(&app.client, &account, to).await.expect_err(to);
        assert!(why.len() > 20, "{to}: {why}");
    }
    let why = read(&app.client, &account, "8 777 777 77 77").await.unwrap_err();
    assert!(why.contains('+') && why.contains("country code"), "{why}");
    for (to, digits) in [
        ("+7 777 777 77 77", "77777777777"),
        ("77777777777", "77777777777"),
        ("+996 (700) 123-456", "996700123456"),
        ("00996 700 123456", "996700123456"),
        ("79161234567", "79161234567"),
        ("+49 30 901820", "4930901820"),
        // As the messenger writes them, they are the messenger's to know.
        ("77777777777@c.us", "77777777777"),
        ("1234567@c.us", "1234567"),
        ("87777777777@c.us", "87777777777"),
    ] {
        assert_eq!(read(&app.client, &account, to).await.as_deref(), Ok(digits), "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn national_forms_are_read_where_the_country_is_known() {
    for (region, to, digits) in [
        ("KZ", "8 777 777 77 77", "77777777777"),
        ("KZ", "777 777 77 77", "77777777777"),
        ("RU", "8 (916) 123-45-67", "79161234567"),
        ("RU", "8 777 777 77 77", "77777777777"),
        ("KG", "0700 123 456", "996700123456"),
        ("KG", "700123456", "996700123456"),
        // Numbers with their country's code stay what they are.
        ("KZ", "+996 700 123 456", "996700123456"),
        ("KZ", "996700123456", "996700123456"),
        ("KG", "+7 777 777 77 77", "77777777777"),
        ("KG", "77777777777", "77777777777"),
        ("KG", "77777777777@c.us", "77777777777"),
    ] {
        let app = TestApp::with(&[("ANDANTE_PHONE_REGION", region)]).await;
        let account = account(&app.client).await;
        assert_eq!(read(&app.client, &account, to).await.as_deref(), Ok(digits), "{to} in {region}");
    }
    let app = TestApp::with(&[("ANDANTE_PHONE_REGION", "KG")]).await;
    let account = account(&app.client).await;
    for to in ["8 777 777 77 77", "0100 000 000", "12", "0700 123 4567"] {
        read(&app.client, &account, to).await.expect_err(to);
    }
    // The other ways to say a number read it in the same way.
    let body = json!({"accountId": account, "phone": "0700 123 456", "message": "m"});
    app.client.connect(&account).await;
    let sent = app.client.post("/api/whatsapp/send", body).await.expect(202);
    let id = sent["data"]["messageId"].as_str().unwrap();
    assert_eq!(app.client.message(id).await["to"], "996700123456");
}

#[test]
fn a_region_that_is_none_stops_the_start() {
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().display().to_string();
    for region in ["XX", "Kazakhstan", "7"] {
        let settings =
            [("ANDANTE_DATA_DIR", data.as_str()), ("ANDANTE_BIND", "127.0.0.1:0"), ("ANDANTE_PHONE_REGION", region)];
        let (succeeded, output) = Binary::run(&settings, &[]);
        assert!(!succeeded && output.contains("ANDANTE_PHONE_REGION"), "{output}");
        assert!(!output.contains("there is no setting") && !output.contains("panicked"), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_may_be_a_number() {
    let app = TestApp::start().await;
    let account = account(&app.client).await;
    let body = json!({"accountId": account, "to": 77_777_777_777_u64, "message": "m"});
    let sent = app.client.post("/api/messages/send", body).await.expect(202);
    assert_eq!(app.client.message(sent["messageId"].as_str().unwrap()).await["to"], "77777777777");
    let messages = json!([{"to": 996_700_123_456_u64, "message": "m"}, {"to": "77777777777", "message": "m"}]);
    let sent = app.client.post("/api/messages/bulk", json!({"accountId": account, "messages": messages})).await;
    let sent = sent.expect(202);
    assert_eq!(sent["accepted"], 2, "{sent}");
    let first = sent["results"][0]["messageId"].as_str().unwrap();
    assert_eq!(app.client.message(first).await["to"], "996700123456");
    let body = json!({"accountId": account, "phone": 77_777_777_777_u64, "message": "m"});
    let sent = app.client.post("/api/whatsapp/send", body).await.expect(202);
    let id = sent["data"]["messageId"].as_str().unwrap();
    assert_eq!(app.client.message(id).await["to"], "77777777777");
    for bad in [json!(-7), json!(7.5), json!(7), json!(1e30), json!(true), json!([7]), json!({"n": 7}), Value::Null] {
        let body = json!({"accountId": account, "to": bad, "message": "m"});
        let answer = app.client.post("/api/messages/send", body).await;
        assert!(answer.status == 400 || answer.status == 422, "{bad}: {}", answer.body);
        assert_eq!(answer.body["details"][0]["field"], "to", "{bad}: {}", answer.body);
    }
    let code = json!({"method": "code", "phoneNumber": 996_700_123_456_u64});
    app.client.post(&format!("/api/accounts/{account}/connect"), code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_as_a_number_is_the_same_request_as_its_text() {
    let app = TestApp::start().await;
    let account = account(&app.client).await;
    let mut ids = Vec::new();
    for to in [json!(77_777_777_777_u64), json!("77777777777"), json!("+7 777 777-77-77")] {
        let body = json!({"accountId": account, "to": to, "message": "m", "idempotencyKey": "k"});
        ids.push(app.client.post("/api/messages/send", body).await.expect(202)["messageId"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0], ids[2]);
}
