//! `andante rekey`: from no key to one, from one to another, and back to none, on both databases;
//! what was there before works afterwards, and nothing opens what is closed but the present key.

use serde_json::{Value, json};

use crate::bot_api::{BotApi, token};
use crate::harness::{Binary, Company, Postgres, TestApp, guarded, login, ready_account};
use crate::secrets::key_of;

/// A server that was stopped, with a paired account, a connected bot and somebody signed in.
struct Estate {
    app: TestApp,
    token: String,
    paired: String,
    bot: String,
    settings: Vec<(String, String)>,
    _folder: tempfile::TempDir,
}

impl Estate {
    async fn found(api: &BotApi, database: Option<&str>, key: &str) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let mut settings = vec![
            ("ANDANTE_TELEGRAM_API_URL".to_owned(), api.url.clone()),
            ("ANDANTE_DATA_DIR".to_owned(), folder.path().display().to_string()),
        ];
        settings.extend(database.map(|url| ("DATABASE_URL".to_owned(), url.to_owned())));
        let with_key = [settings.clone(), vec![("ANDANTE_SECRET_KEY".to_owned(), key.to_owned())]].concat();
        let mut app = guarded(&borrowed(if key.is_empty() { &settings } else { &with_key })).await;
        let company = Company::register(&app.client, "clinic").await;
        let paired = ready_account(&company.admin, json!({})).await;
        let bot = json!({"name": "Bot", "provider": "telegram", "config": {"token": token(1)}});
        let bot = company.admin.create(bot).await;
        company.admin.connect(&bot).await;
        company.admin.status(&bot, "CONNECTED").await;
        app.stop().await;
        Self { app, token: company.token, paired, bot, settings, _folder: folder }
    }

    /// Runs it to its end under a key, with something to read.
    fn run(&self, key: &str, arguments: &[&str], input: &str) -> (bool, String) {
        let mut settings = borrowed(&self.settings);
        settings.extend((!key.is_empty()).then_some(("ANDANTE_SECRET_KEY", key)));
        Binary::run_with(&settings, arguments, input)
    }

    #[track_caller]
    fn rekey(&self, old: &str, new: &str) -> String {
        let (succeeded, said) = self.run(old, &["rekey"], &format!("{new}\n"));
        assert!(succeeded, "{said}");
        said
    }

    /// Under that key alone all is as it was.
    async fn works_under(&mut self, key: &str) {
        for other in [String::new(), key_of(1), key_of(2)].iter().filter(|other| *other != key) {
            // Without a key in the database, any key would be a first one.
            if !key.is_empty() {
                let (succeeded, said) = self.run(other, &["migrate"], "");
                assert!(!succeeded && said.contains("ANDANTE_SECRET_KEY"), "{other:?} opens it: {said}");
            }
        }
        self.app.set("ANDANTE_SECRET_KEY", key);
        self.app.resume().await;
        let admin = self.app.client.with_key(&self.token);
        admin.get("/api/auth/me").await.expect(200);
        let again = login(&self.app.client, "admin@clinic.example").await;
        self.app.client.with_key(&again).get("/api/auth/me").await.expect(200);
        for account in [&self.paired, &self.bot] {
            admin.status(account, "CONNECTED").await;
        }
        // What is decrypted is what it was: the bot would not get in with another token.
        assert_eq!(admin.account(&self.bot).await["displayName"], "@clinic_1001_bot");
        assert_ne!(admin.account(&self.paired).await["phoneNumber"], Value::Null);
        self.app.stop().await;
    }
}

fn borrowed(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_file_is_given_changed_and_taken_away() {
    the_key_is_given_changed_and_taken_away(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_postgresql_is_given_changed_and_taken_away() {
    the_key_is_given_changed_and_taken_away(Some(&Postgres::database().await)).await;
}

async fn the_key_is_given_changed_and_taken_away(database: Option<&str>) {
    let api = BotApi::start();
    let mut estate = Estate::found(&api, database, "").await;
    let (first, second) = (key_of(1), key_of(2));
    let said = estate.rekey("", &first);
    assert!(said.contains("ANDANTE_SECRET_KEY"), "it says what to do next: {said}");
    assert!(!said.contains(&first), "it shows the key: {said}");
    estate.works_under(&first).await;
    estate.rekey(&first, &second);
    estate.works_under(&second).await;
    let said = estate.rekey(&second, "");
    assert!(said.contains("ANDANTE_SECRET_KEY"), "{said}");
    estate.works_under("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_changed_by_who_has_none_or_to_what_is_none() {
    let api = BotApi::start();
    let mut estate = Estate::found(&api, None, &key_of(1)).await;
    let (right, wrong) = (key_of(1), key_of(2));
    for (old, new) in [("", wrong.as_str()), (&wrong, &key_of(3)), (&right, "nonsense"), (&right, &right[4..])] {
        let (succeeded, said) = estate.run(old, &["rekey"], &format!("{new}\n"));
        assert!(!succeeded, "{old:?} to {new:?}: {said}");
        assert!(
            said.to_lowercase().contains("key") && !said.contains("panicked") && !said.contains("unrecognized"),
            "{said}"
        );
    }
    estate.works_under(&right).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_changed_under_a_server_that_runs() {
    let api = BotApi::start();
    let url = Postgres::database().await;
    for database in [None, Some(url.as_str())] {
        let mut estate = Estate::found(&api, database, &key_of(1)).await;
        estate.app.resume().await;
        let (succeeded, said) = estate.run(&key_of(1), &["rekey"], &format!("{}\n", key_of(2)));
        assert!(!succeeded && !said.contains("unrecognized"), "{database:?}: {said}");
        estate.app.stop().await;
        estate.works_under(&key_of(1)).await;
    }
}
