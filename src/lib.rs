//! Andante sends messages at a humane pace.
//!
//! # The life of one message
//!
//! An app POSTs it ([`api`]), or a person writes it in a chat; [`auth`] knows who they are and what
//! they may. [`intake`] **accepts** it: the row is written by the store's group
//! commit, and only then does the caller get its 202; the message's id goes into the [`queue`] of
//! its account, and the reply says its position and when it will leave.
//!
//! Whatever a person asks of it later, [`standing`] answers.
//!
//! The account's [`lane`] **claims** the message when its turn comes. [`pacing`] **plans** the
//! instant: so many a minute, pauses, rests, a daily cap. The lane writes its intent into the row
//! and hands the message to the account's [`gateway`], which **sends** it. What the gateway answers
//! **settles** the message: first the row, in the [`store`], then the queue, with what was counted.
//! Then the outcome is **published** on the [`realtime`] bus. A moment later, when there is nothing
//! more urgent to write, the message is put in the lists of its account, in its chat and in the counts,
//! together with others ([`lane::filer`]).
//!
//! Later the messenger reports that the message was delivered and read: the [`inbox`] moves the row
//! on, and files what people answer in the same chat. What becomes of the account's connection,
//! whoever notices, is the [`account`]'s. If the process dies anywhere in between, the next one
//! restores the lane from the rows; a message that may have left is `uncertain` and never sent again
//! by itself.
//!
//! A file that goes with a message, or came with one, is a row and a content of its own ([`media`]): the
//! message names it.
//!
//! What happens to an account on the way is said in words in its log ([`logs`]); what people do to it is a
//! row, for ninety days ([`store::action`]).
//!
//! The database is the truth. The queue is speed: it can be wiped at any moment without losing a
//! message, sending one twice or exceeding a limit.
//!
//! # The house
//!
//! Each part is a struct, made once in [`app`] with what it needs and nothing else; [`server`] starts
//! and stops them.

// The floors of the house, the roof first. A file imports only from floors below its own, and those
// of one floor don't know each other.

pub mod server;

pub mod api;

pub mod app;

// What comes in: messages to send …
pub mod intake;

// … and what accounts look like.
pub mod board;

// What messengers and other nodes report; and what is asked.
pub mod inbox;
pub mod nodes;
pub mod standing;

pub mod lane;

pub mod account;
pub mod media;

pub mod realtime;

pub mod auth;
pub mod gateway;

pub mod config;
pub mod error;
pub mod view;

pub mod store;

pub mod blobs;
pub mod queue;

// What the server says of itself, and where it is called.
pub mod ports;
pub mod telemetry;

pub mod logs;

// The ground.
pub mod clock;
pub mod content;
pub mod egress;
pub mod host;
pub mod machine;
pub mod pacing;
pub mod phone;
pub mod qr;
pub mod seats;
pub mod template;
