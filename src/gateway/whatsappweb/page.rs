//! What is read from the page, and asked of it. The page's side is `bridge.js`: it keeps what happens
//! until we say that we have it, and runs what it is asked once.

use serde::Deserialize;
use serde_json::{Value, json};

use super::browser::Browser;

/// What happened that is taken at once.
const SOME: usize = 200;
const POLL: &str = "return { page: window.__andante?.poll(...arguments) ?? null, href: location.href, \
                    isLoaded: document.readyState === 'complete', \
                    status: performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0 }";
const CALL: &str = "return window.__andante?.call(...arguments) ?? 'stale'";

/// How the page stands, in the words of WhatsApp's own code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct State {
    /// The version of the library.
    pub(super) wa_js: Option<String>,
    /// The version of the page.
    pub(super) page: Option<String>,
    pub(super) is_injected: bool,
    pub(super) is_full_ready: bool,
    pub(super) is_authenticated: bool,
    pub(super) mode: Option<String>,
    pub(super) info: Option<String>,
    pub(super) socket: Option<String>,
    pub(super) needs_update: bool,
    /// The code that it shows.
    pub(super) qr: Option<String>,
    /// Whose account it is: `<digits>@c.us`.
    pub(super) me: Option<String>,
    pub(super) lid: Option<String>,
    pub(super) name: Option<String>,
    pub(super) href: String,
    /// Whether all of the page has come …
    #[serde(skip)]
    pub(super) is_loaded: bool,
    /// … and whether it is an error of the server's.
    #[serde(skip)]
    pub(super) is_error: bool,
}

/// One thing that happened.
#[derive(Deserialize)]
pub(super) struct Happened {
    pub(super) seq: u64,
    pub(super) kind: String,
    #[serde(default)]
    pub(super) data: Value,
}

#[derive(Deserialize)]
struct Poll {
    epoch: String,
    /// Things that happened and found no room.
    dropped: u64,
    state: State,
    events: Vec<Happened>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// None before our side of it is there.
    page: Option<Poll>,
    href: String,
    is_loaded: bool,
    /// HTTP's answer for it; 0 where it is not told.
    status: u16,
}

/// The page, as it was read last.
#[derive(Default)]
pub(super) struct Page {
    /// Which document it is.
    epoch: Option<String>,
    /// Up to where we have what happened in it.
    acked: u64,
    calls: u64,
}

/// What a poll found.
pub(super) struct Seen {
    pub(super) state: State,
    pub(super) events: Vec<Happened>,
    /// Things that happened in it and found no room.
    pub(super) dropped: u64,
    /// Whether it is another document: what was asked of the one before is never answered.
    pub(super) is_other: bool,
}

impl Page {
    /// Looks at the page. What happened is told again until [`Page::has`] is.
    pub(super) async fn poll(&mut self, browser: &Browser) -> anyhow::Result<Seen> {
        let asked = vec![json!(self.epoch), json!(self.acked), json!(SOME)];
        let answer: Option<Answer> = browser.run(POLL, asked).await?;
        // Where the page asked a person something meanwhile, there is none.
        let Some(Answer { page, href, is_loaded, status }) = answer else {
            return Ok(Seen { state: State::default(), events: Vec::new(), dropped: 0, is_other: false });
        };
        let is_error = status >= 400;
        let Some(poll) = page else {
            let state = State { href, is_loaded, is_error, ..State::default() };
            return Ok(Seen { state, events: Vec::new(), dropped: 0, is_other: false });
        };
        let is_other = self.epoch.as_ref() != Some(&poll.epoch);
        if is_other {
            (self.epoch, self.acked) = (Some(poll.epoch), 0);
        }
        let state = State { href, is_loaded, is_error, ..poll.state };
        Ok(Seen { state, events: poll.events, dropped: poll.dropped, is_other })
    }

    /// We have what happened up to there.
    pub(super) fn has(&mut self, seq: u64) {
        self.acked = seq;
    }

    /// Asks something of the page: the number that the reply will have; none if it is another page by now.
    pub(super) async fn call(
        &mut self,
        browser: &Browser,
        method: &str,
        parameters: Value,
    ) -> anyhow::Result<Option<u64>> {
        self.calls += 1;
        let id = self.calls;
        let arguments = vec![json!(self.epoch), json!(id.to_string()), json!(method), parameters];
        let said: String = browser.run(CALL, arguments).await?;
        Ok((said == "started").then_some(id))
    }
}

/// What became of what was asked.
#[derive(Deserialize)]
pub(super) struct Reply {
    id: String,
    #[serde(default)]
    value: Value,
    error: Option<Refusal>,
}

/// Why the page did not do what it was asked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refusal {
    pub(super) code: String,
    /// Whether a message may have left all the same.
    #[serde(default)]
    pub(super) may_be_sent: bool,
}

impl Refusal {
    /// There is no page to ask.
    pub(super) fn not_ready() -> Self {
        Self { code: "not_ready".to_owned(), may_be_sent: false }
    }
}

impl Reply {
    /// The number of the call, and what came of it.
    pub(super) fn read(self) -> Option<(u64, Result<Value, Refusal>)> {
        let outcome = self.error.map_or(Ok(self.value), Err);
        self.id.parse().ok().map(|id| (id, outcome))
    }
}

/// How far messages got.
#[derive(Deserialize)]
pub(super) struct Acked {
    pub(super) keys: Vec<String>,
    pub(super) ack: i64,
    /// Why it gets no further.
    #[serde(default)]
    pub(super) result: Option<String>,
}

/// What became of a message.
#[derive(Deserialize)]
pub(super) struct Sent {
    pub(super) chat: Option<String>,
    pub(super) ack: i64,
    pub(super) result: Option<String>,
}

/// Somebody types, or has stopped.
#[derive(Deserialize)]
pub(super) struct Typing {
    pub(super) chat: String,
    pub(super) who: String,
    pub(super) on: bool,
}

/// A message as the page has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    pub(super) key: String,
    pub(super) chat: String,
    pub(super) author: Option<String>,
    pub(super) from_me: bool,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) text: Option<String>,
    pub(super) ack: Option<i64>,
    /// Seconds since 1970.
    pub(super) t: Option<i64>,
    pub(super) name: Option<String>,
    pub(super) chat_name: Option<String>,
    /// `<digits>@c.us` of the author in a group, else of the chat.
    pub(super) phone: Option<String>,
    pub(super) file: Option<super::file::Told>,
}

/// A chat as the page has it.
#[derive(Deserialize)]
pub(super) struct Chat {
    pub(super) id: String,
    pub(super) name: Option<String>,
}
