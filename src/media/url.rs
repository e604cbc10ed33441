//! A file at an address that a request names: fetched before the message is accepted, from the public
//! internet alone, and never looked into.

use std::io;
use std::time::Duration;

use entity::media::Model;
use futures_util::TryStreamExt;
use reqwest::header::ACCEPT_ENCODING;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Url};

use super::{Given, Media, NotKept};
use crate::content::file_name;
use crate::egress::Egress;

/// How long a server may take to be connected to …
const CONNECT: Duration = Duration::from_secs(10);
/// … to say anything …
const ANSWER: Duration = Duration::from_secs(20);
/// … and to give all of a file.
const ALL: Duration = Duration::from_secs(60);
/// Addresses that one may lead to, each to the next.
const HOPS: usize = 5;

/// Why a file is not fetched.
#[derive(Debug, thiserror::Error)]
pub enum NotFetched {
    /// It can't be got from there, for that reason.
    #[error("the file can't be fetched from its address: {0}")]
    Unreachable(String),
    /// It was, and is not kept.
    #[error(transparent)]
    NotKept(#[from] NotKept),
}

impl NotFetched {
    fn because(why: impl Into<String>) -> Self {
        Self::Unreachable(why.into())
    }
}

impl Media {
    /// Fetches the file at `url` and keeps it.
    pub async fn fetch(&self, url: &str, given: Given) -> Result<Model, NotFetched> {
        let url: Url = url.parse().map_err(|_| NotFetched::because("it is no address"))?;
        check(&url, self.egress).map_err(NotFetched::Unreachable)?;
        // Never closed.
        let _place = self.fetching.acquire().await;
        let egress = self.egress;
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(ANSWER)
            .timeout(ALL)
            .dns_resolver(egress.resolver(None))
            // A proxy of the environment would resolve the name itself.
            .no_proxy()
            .referer(false)
            .redirect(Policy::custom(move |attempt| follow(attempt, egress)))
            .build()
            .map_err(|_| NotFetched::because("no request can be made"))?;
        // As it is kept: what it is packed in would count as what it is.
        let answer = client.get(url).header(ACCEPT_ENCODING, "identity").send().await;
        let answer = answer.map_err(|error| NotFetched::Unreachable(why(&error)))?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(NotFetched::because(format!("the server there answers {}", answer.status().as_u16())));
        }
        let called = || answer.url().path_segments()?.next_back().map(decoded).as_deref().and_then(file_name);
        let name = given.file_name.or_else(called);
        let given = Given { file_name: name, size: answer.content_length(), ..given };
        let content = answer.bytes_stream().map_err(|_| io::Error::other("the server there broke off"));
        match self.keep(given, Box::pin(content)).await {
            Ok(row) => Ok(row),
            Err(NotKept::Cut) => Err(NotFetched::because("the server there broke off, or took longer than 60 s")),
            Err(error) => Err(error.into()),
        }
    }
}

/// Refuses an address that is not of the web, or of no public one.
fn check(url: &Url, egress: Egress) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err("it must be http:// or https://, without a user in it".to_owned());
    }
    let host = url.host_str().ok_or("it names no server")?;
    egress.check(host).map_err(|_| PRIVATE.to_owned())
}

const PRIVATE: &str = "it is not of the public internet";

fn follow(attempt: Attempt<'_>, egress: Egress) -> reqwest::redirect::Action {
    if attempt.previous().len() > HOPS {
        return attempt.error("it leads from one address to the next");
    }
    match check(attempt.url(), egress) {
        Ok(()) => attempt.follow(),
        Err(_) => attempt.error(PRIVATE),
    }
}

/// What is told of an error: not what the client says, which may name what is inside our network.
fn why(error: &reqwest::Error) -> String {
    let is_private = std::iter::successors(std::error::Error::source(error), |error| error.source())
        .any(|cause| matches!(cause.downcast_ref(), Some(crate::egress::Refusal::Private(_))));
    match () {
        () if is_private => PRIVATE,
        () if error.is_redirect() => "it leads to another that can't be followed",
        () if error.is_timeout() => "the server there does not answer in time",
        () => "the server there can't be reached",
    }
    .to_owned()
}

/// A name in an address, as people read it.
fn decoded(segment: &str) -> String {
    form_urlencoded::parse(format!("n={}", segment.replace('+', "%2B").replace('&', "%26")).as_bytes())
        .next()
        .map(|(_, name)| name.into_owned())
        .unwrap_or_default()
}
