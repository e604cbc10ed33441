//! The server as its users meet it: the real app on a free port, real Redis and PostgreSQL, the
//! real binary where it is killed. Nothing sleeps: tests step a manual clock or await what they
//! expect, with a deadline.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can not go on fails")]
#![expect(unreachable_pub, reason = "modules of a test program are public to each other alone")]

#[path = "../fakes/bot_api.rs"]
mod bot_api;
mod harness;

mod accept;
mod access;
mod actions;
mod all_chats;
mod board;
mod bounds;
mod bulk;
mod chats;
mod clients;
mod connections;
mod crash;
mod documents;
mod faults;
mod files;
mod filing;
mod gate;
mod guard;
mod holds;
mod house_rules;
mod inbox;
mod input;
mod instances;
mod kept;
mod lanes;
mod leaving;
mod limits;
mod lists;
mod login_limits;
mod logs;
mod lost;
mod media;
mod media_bucket;
mod media_coming;
mod media_sends;
mod numbers;
mod pacing;
mod pairing;
mod pairing_rights;
mod people;
mod ports;
mod proxies;
mod queue;
mod queue_model;
mod random;
mod rekey;
mod secrets;
mod sentences;
mod sessions;
mod shut_out;
mod sockets;
mod stalls;
mod store;
mod strangers;
mod telegram;
mod telegram_files;
mod templates;
mod tokens;
mod transport;
mod unsettled;
#[cfg(feature = "whatsapp")]
mod whatsapp;
mod wordings;
