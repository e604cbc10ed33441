//! The fake page for use by hand: `serve` prints where it is, and where it is told what to do, as
//! `GET /scan?qr=…&phone=…&name=…`. Without a known command the control says which there are.

#![expect(clippy::print_stdout, reason = "standard output says where it is")]

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;

use actix_web::web::{Data, Path, Query};
use actix_web::{App, HttpServer, web};
use fake_whatsapp_web::{Behaviour, FakeWeb, Page};

const COMMANDS: &str = "scan qr phone name | code code phone name | says from account text | says_in from group account text | \
    types from account on | reads from account | phone_says account to text | group subject members | \
    behave to as | release to | sent account | read account | composing account | logout account | reload account | \
    conflict account | offline account | hang account | needs_update account | rotate | idle | page as | refuse on | \
    lids on | violations | strays\n";

#[tokio::main]
async fn main() -> io::Result<()> {
    let fake = FakeWeb::start().await?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("page     {}", fake.url());
    println!("control  http://{}/", listener.local_addr()?);
    let data = Data::new(fake);
    let control = HttpServer::new(move || App::new().app_data(data.clone()).route("/{command}", web::get().to(obey)));
    control.workers(1).listen(listener)?.run().await
}

async fn obey(command: Path<String>, words: Query<HashMap<String, String>>, fake: Data<FakeWeb>) -> String {
    let word = |name: &str| words.get(name).map(String::as_str).unwrap_or_default();
    let (account, to, from) = (word("account"), word("to"), fake.person(word("from")));
    let is_on = matches!(word("on"), "on" | "true" | "1");
    let answer = match command.as_str() {
        "scan" => fake.scan(word("qr"), word("phone"), word("name")).to_string(),
        "code" => fake.enter_code(word("code"), word("phone"), word("name")).to_string(),
        "says" => from.says(account, word("text")),
        "says_in" => from.says_in(word("group"), account, word("text")),
        "types" => from.types(account, is_on).to_string(),
        "phone_says" => fake.phone_says(account, to, word("text")),
        "group" => fake.group(word("subject"), &word("members").split(',').collect::<Vec<_>>()),
        "sent" => format!("{:#?}", fake.sent(account)),
        "read" => format!("{:?}", fake.read(account)),
        "composing" => format!("{:?}", fake.composing(account)),
        "reload" => fake.reload(account).to_string(),
        "conflict" => fake.conflict(account).to_string(),
        "offline" => fake.offline(account).to_string(),
        "hang" => fake.hang(account).to_string(),
        "needs_update" => fake.needs_update(account).to_string(),
        "violations" => format!("{:?}", fake.violations()),
        "strays" => format!("{:?}", fake.strays()),
        other => tell(&fake, other, &words),
    };
    answer + "\n"
}

/// The commands that answer nothing.
fn tell(fake: &FakeWeb, command: &str, words: &HashMap<String, String>) -> String {
    let word = |name: &str| words.get(name).map(String::as_str).unwrap_or_default();
    let (account, to, from) = (word("account"), word("to"), fake.person(word("from")));
    let is_on = matches!(word("on"), "on" | "true" | "1");
    match command {
        "reads" => from.reads(account),
        "behave" => fake.behave(to, behaviour(word("as"))),
        "release" => fake.release(to),
        "logout" => fake.logout(account),
        "rotate" => fake.rotate(),
        "idle" => fake.idle(),
        "page" => fake.page(page(word("as"))),
        "refuse" => fake.refuse_new_devices(is_on),
        "lids" => fake.use_lids(is_on),
        _ => return COMMANDS.to_owned(),
    }
    "done".to_owned()
}

fn behaviour(name: &str) -> Behaviour {
    match name {
        "no_answer" => Behaviour::NoAnswer,
        "refuse" => Behaviour::Refuse,
        "late_ack" => Behaviour::LateAck,
        "not_on_whatsapp" => Behaviour::NotOnWhatsApp,
        "lookup_fails" => Behaviour::LookupFails,
        "no_lid" => Behaviour::NoLid,
        _ => Behaviour::Normal,
    }
}

fn page(name: &str) -> Page {
    match name {
        "unsupported" => Page::Unsupported,
        "silent" => Page::Silent,
        _ => Page::Normal,
    }
}
