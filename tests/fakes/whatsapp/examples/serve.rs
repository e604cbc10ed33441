//! The fake server as a program, for clients in other languages: `serve [port]`. It takes a command
//! on each line and answers each with a line of JSON. The first line says where it listens.

#![expect(clippy::print_stdout, reason = "standard output is the answer")]

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use fake_whatsapp::{Failure, FakeWhatsApp};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

const COMMANDS: &str = "phone <number> <lid> <name> | scan <number> <qr> | code <number> <code> | \
    send <from> <to> <text> | read <from> <to> <id> | typing <from> <to> on|off | \
    group <id> <subject> <member,member,…> | gsend <from> <group> <text> | gread <from> <group> <id> | \
    glid <group> on|off | unlink <number> <device> | \
    drop <number> | replace <number> | nack <to> <code>|off | lock <number> on|off | lid <number> on|off | \
    refuse <number> banned|logged-out|locked|outdated|unavailable|off | pause | resume | inbox | arrivals | \
    receipts | devices <number> | connections <number> | quit";

#[tokio::main]
async fn main() -> Result<()> {
    let port = std::env::args().nth(1).map(|port| port.parse()).transpose()?.unwrap_or(0);
    let fake = FakeWhatsApp::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let root: String = fake.root_key().iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{}", json!({ "url": fake.url(), "script": fake.script_url(), "root": root }));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if line.trim() == "quit" {
            break;
        }
        let answer = obey(&fake, &line).await;
        println!("{}", answer.unwrap_or_else(|error| json!({ "error": format!("{error:#}") })));
    }
    Ok(())
}

async fn obey(fake: &FakeWhatsApp, line: &str) -> Result<Value> {
    let words: Vec<&str> = line.trim().splitn(4, ' ').collect();
    let answer = match words[..] {
        ["phone", number, lid, name] => {
            fake.add_phone(number, lid, name);
            json!({ "ok": true })
        }
        ["scan", number, qr] => json!({ "device": fake.scan(number, qr)? }),
        ["code", number, code] => {
            fake.enter_code(number, code).await?;
            json!({ "ok": true })
        }
        ["send", from, to, text] => json!({ "id": fake.phone_send(from, to, text)? }),
        ["read", from, to, id] => {
            fake.phone_read(from, to, id);
            json!({ "ok": true })
        }
        ["typing", from, to, switch] => {
            fake.phone_typing(from, to, is_on(switch)?);
            json!({ "ok": true })
        }
        ["group", id, subject, members] => {
            fake.add_group(id, subject, &members.split(',').collect::<Vec<_>>());
            json!({ "ok": true })
        }
        ["glid", group, switch] => {
            fake.set_group_lid(group, is_on(switch)?);
            json!({ "ok": true })
        }
        ["gsend", from, group, text] => json!({ "id": fake.phone_send_group(from, group, text)? }),
        ["gread", from, group, id] => {
            fake.phone_read_group(from, group, id)?;
            json!({ "ok": true })
        }
        ["unlink", number, device] => json!({ "ok": fake.unlink(number, device.parse()?) }),
        ["drop", number] => json!({ "dropped": fake.drop_connection(number) }),
        ["replace", number] => json!({ "replaced": fake.replace(number) }),
        ["nack", to, code] => {
            fake.nack_messages_to(to, if code == "off" { None } else { Some(code.parse()?) });
            json!({ "ok": true })
        }
        ["lock", number, switch] => {
            fake.set_reachout_lock(number, is_on(switch)?);
            json!({ "ok": true })
        }
        ["lid", number, switch] => {
            fake.set_lid_migrated(number, is_on(switch)?);
            json!({ "ok": true })
        }
        ["refuse", number, why] => {
            match failure(why)? {
                Some(failure) => fake.refuse(number, failure),
                None => fake.readmit(number),
            }
            json!({ "ok": true })
        }
        ["pause"] => {
            fake.pause().await;
            json!({ "ok": true })
        }
        ["resume"] => {
            fake.resume().await;
            json!({ "ok": true })
        }
        ["inbox"] => fake.inbox().iter().map(delivery).collect(),
        ["arrivals"] => fake.arrivals().iter().map(arrival).collect(),
        ["receipts"] => fake.receipts().iter().map(receipt).collect(),
        ["devices", number] => json!({ "devices": fake.devices(number) }),
        ["connections", number] => json!({ "connections": fake.connections(number) }),
        _ => json!({ "error": "unknown command", "commands": COMMANDS }),
    };
    Ok(answer)
}

fn delivery(it: &fake_whatsapp::Delivery) -> Value {
    json!({
        "from": it.from, "device": it.device, "to": it.to, "id": it.id, "group": it.group, "text": it.text(),
        "peer": it.is_peer,
    })
}

fn arrival(it: &fake_whatsapp::Arrival) -> Value {
    let outcome = format!("{:?}", it.outcome);
    json!({ "from": it.from, "device": it.device, "to": it.to, "id": it.id, "outcome": outcome })
}

fn receipt(it: &fake_whatsapp::Receipt) -> Value {
    json!({
        "from": it.from, "device": it.device, "to": it.to, "group": it.group, "kind": it.kind, "ids": it.ids,
    })
}

fn is_on(switch: &str) -> Result<bool> {
    Some(switch).filter(|switch| ["on", "off"].contains(switch)).map(|switch| switch == "on").context("on or off")
}

fn failure(why: &str) -> Result<Option<Failure>> {
    Ok(Some(match why {
        "banned" => Failure::TemporaryBan { code: 101, seconds: 3600 },
        "logged-out" => Failure::LoggedOut,
        "locked" => Failure::Locked,
        "outdated" => Failure::ClientOutdated,
        "unavailable" => Failure::ServiceUnavailable,
        "off" => return Ok(None),
        other => anyhow::bail!("no reason to refuse a login: {other}"),
    }))
}
