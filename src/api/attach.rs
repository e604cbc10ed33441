//! What messages refer to, as it is asked for: files and templates. Looked up once for all messages of a
//! request, before any of them becomes a draft.

use std::collections::{HashMap, HashSet};

use entity::account::Provider;
use entity::ids::{MediaId, TemplateId};
use entity::media::{Card, Model};
use entity::message::Kind;
use futures_util::{StreamExt, TryStreamExt, stream};
use garde::Validate;
use serde::{Deserialize, Serialize};

use super::media::find_readable;
use super::wrong::{check, text};
use crate::app::App;
use crate::auth::Caller;
use crate::content::file_name;
use crate::error::ApiError;
use crate::gateway::media::{is_fit, limits, longest_caption, takes_caption};
use crate::media::{Given, NotFetched};

/// Files at addresses that one request may name: more are uploaded first.
const FETCHED: usize = 20;
/// … of which so many are fetched at a time.
const AT_A_TIME: usize = 4;
/// How long all of them may take.
const ALL: std::time::Duration = std::time::Duration::from_secs(120);

/// A file that is to go with a message: one that was uploaded, or one at an address.
#[derive(Debug, Clone, Deserialize, Serialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewMedia {
    /// The id that its upload got.
    #[garde(skip)]
    #[schema(value_type = Option<MediaId>)]
    id: Option<String>,
    /// `http://…` or `https://…`: it is fetched before the message is accepted.
    #[garde(inner(custom(text(1..=2_048))))]
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// What it goes as: `image`, `video`, `audio`, `voice`, `document` or `sticker`. What its content is, unless said.
    #[garde(skip)]
    kind: Option<Kind>,
    /// What it is called in this message; else as it was when it came.
    #[garde(inner(custom(text(1..=255))))]
    #[serde(alias = "file_name")]
    #[schema(max_length = 255)]
    file_name: Option<String>,
}

/// Which template: the text itself, or one that is kept.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum MessageTemplate {
    /// A text with `{{name}}` in it.
    #[schema(example = "Hello {{name}}")]
    Text(String),
    /// One of `/api/templates`.
    Kept {
        /// Its id.
        #[schema(value_type = TemplateId)]
        id: String,
    },
}

impl NewMedia {
    /// Where it is: exactly one of the two.
    fn place(&self) -> Result<Place<'_>, ApiError> {
        match (&self.id, &self.url) {
            (Some(id), None) => id.parse().map(Place::Kept).map_err(|_| ApiError::NotFound("media")),
            (None, Some(url)) => Ok(Place::At(url)),
            (None, None) => Err(ApiError::field("media", "needs an id or a url")),
            (Some(_), Some(_)) => Err(ApiError::field("media", "has an id and a url: one is enough")),
        }
    }

    /// As this kind, unless it says of itself what it goes as.
    pub(super) fn or_as(mut self, kind: Option<Kind>) -> Self {
        self.kind = self.kind.or(kind);
        self
    }
}

enum Place<'a> {
    Kept(MediaId),
    At(&'a str),
}

/// What one message asks for.
pub(super) struct Asked<'a> {
    pub(super) media: Option<&'a NewMedia>,
    pub(super) template: Option<&'a MessageTemplate>,
    /// The key under which it may have been accepted before.
    pub(super) key: Option<String>,
}

/// What messages refer to, looked up.
#[derive(Default)]
pub(super) struct Referred {
    templates: HashMap<TemplateId, String>,
    kept: HashMap<MediaId, Model>,
    /// What became of addresses.
    fetched: HashMap<String, Result<Model, Unfetched>>,
    /// Keys under which something was accepted before.
    known: HashSet<String>,
}

/// Why there is no file from an address.
enum Unfetched {
    TooMany,
    Late,
    Not(NotFetched),
}

impl Referred {
    /// Looks up what `asked` refers to, as far as the caller may use it, and fetches what is elsewhere.
    pub(super) async fn look_up(app: &App, caller: &Caller, asked: &[Asked<'_>]) -> Result<Self, ApiError> {
        let mut referred = Self::default();
        let refers = |asked: &&Asked<'_>| asked.media.is_some() || asked.template.is_some();
        let keys: Vec<String> = asked.iter().filter(refers).filter_map(|asked| asked.key.clone()).collect();
        let known = app.store.find_by_keys(caller.company, &keys).await?;
        referred.known = known.iter().filter_map(|(index, ..)| keys.get(*index).cloned()).collect();
        let templates: HashSet<TemplateId> = asked
            .iter()
            .filter_map(|asked| match asked.template {
                Some(MessageTemplate::Kept { id }) => id.parse().ok(),
                _ => None,
            })
            .collect();
        if !templates.is_empty() {
            let ids: Vec<_> = templates.into_iter().collect();
            referred.templates = app.store.template_texts(caller.company, &ids).await?;
        }
        let (mut kept, mut at) = (HashSet::new(), Vec::new());
        for asked in asked {
            match asked.media.map(NewMedia::place) {
                Some(Ok(Place::Kept(id))) => drop(kept.insert(id)),
                Some(Ok(Place::At(url))) => at.push((asked, url)),
                Some(Err(_)) | None => {}
            }
        }
        if !kept.is_empty() {
            referred.kept = readable(app, caller, kept).await?;
        }
        if !at.is_empty() {
            referred.fetch(app, caller, at).await;
        }
        Ok(referred)
    }

    /// Fetches what new messages name.
    async fn fetch(&mut self, app: &App, caller: &Caller, at: Vec<(&Asked<'_>, &str)>) {
        let mut wanted: Vec<(&str, &NewMedia)> = Vec::new();
        for (asked, url) in at {
            let is_known = asked.key.as_ref().is_some_and(|key| self.known.contains(key));
            if let Some(media) = asked.media.filter(|_| !is_known)
                && !wanted.iter().any(|(other, _)| *other == url)
            {
                if wanted.len() < FETCHED {
                    wanted.push((url, media));
                } else {
                    self.fetched.insert(url.to_owned(), Err(Unfetched::TooMany));
                }
            }
        }
        for (url, _) in &wanted {
            self.fetched.insert((*url).to_owned(), Err(Unfetched::Late));
        }
        let mut fetching = stream::iter(wanted)
            .map(|(url, media)| async move {
                let name = media.file_name.as_deref().and_then(file_name);
                let given = Given { company: caller.company, maker: caller.maker(), file_name: name, size: None };
                let (files, address) = (app.media.clone(), url.to_owned());
                // It comes to its end, also when nobody waits for it any more: what is half there is in the way.
                let fetching = app.tasks.spawn(async move { files.fetch(&address, given).await });
                (url, fetching.await)
            })
            .buffer_unordered(AT_A_TIME);
        let all = async {
            while let Some((url, fetched)) = fetching.next().await {
                if let Ok(fetched) = fetched {
                    self.fetched.insert(url.to_owned(), fetched.map_err(Unfetched::Not));
                }
            }
        };
        // What is late is told to those messages alone.
        let _ = app.clock.timeout(ALL, all).await;
    }

    /// Whether something was accepted under the key before.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.known.contains(key)
    }

    /// The text of a template.
    pub(super) fn template<'a>(&'a self, template: &'a MessageTemplate) -> Result<&'a str, ApiError> {
        match template {
            MessageTemplate::Text(text) => Ok(text),
            MessageTemplate::Kept { id } => {
                let found = id.parse().ok().and_then(|id: TemplateId| self.templates.get(&id));
                found.map(String::as_str).ok_or(ApiError::NotFound("template"))
            }
        }
    }

    /// The file as the message will have it, if its messenger takes it with that text.
    pub(super) fn card(
        &self,
        app: &App,
        provider: Provider,
        media: &NewMedia,
        caption: &str,
    ) -> Result<Card, ApiError> {
        check(media)?;
        let row = match media.place()? {
            Place::Kept(id) => self.kept.get(&id).ok_or(ApiError::NotFound("media"))?,
            Place::At(url) => match self.fetched.get(url) {
                None => return Err(Unfetched::Late.told()),
                Some(Ok(row)) => row,
                Some(Err(why)) => return Err(why.told()),
            },
        };
        if !app.media.is_usable(row) {
            return Err(refused("media_gone", "the file is not kept here any more; upload it again"));
        }
        if row.stored_at_ms.is_none() {
            return Err(refused(
                "media_not_kept",
                "the file is not kept here yet; one that came in has to be opened first",
            ));
        }
        let kind = media.kind.unwrap_or(row.kind);
        fit(provider, kind, row)?;
        if !caption.is_empty() && !takes_caption(provider, kind) {
            let message = format!("nothing can be written under a file that goes as {kind} on {provider}");
            return Err(ApiError::Refused { code: "caption_not_supported", field: "message", message });
        }
        let longest = longest_caption(provider);
        if caption.chars().count() > longest {
            let message = format!("a text under a file may have {longest} characters on {provider}");
            return Err(ApiError::Refused { code: "caption_too_long", field: "message", message });
        }
        // What it is called in this message, if that is said.
        let named = media.file_name.as_deref().and_then(file_name);
        let card = row.card(kind);
        Ok(Card { file_name: named.or(card.file_name), ..card })
    }
}

/// Those of the files that the caller may send.
async fn readable(app: &App, caller: &Caller, ids: HashSet<MediaId>) -> Result<HashMap<MediaId, Model>, ApiError> {
    let ids: Vec<_> = ids.into_iter().collect();
    let found = app.store.find_all_media(caller.company, &ids).await?;
    let readable = stream::iter(found.into_values())
        .map(|row| async move { Ok::<_, ApiError>(find_readable(app, caller, row).await?.map(|row| (row.id, row))) });
    readable.buffer_unordered(AT_A_TIME).try_filter_map(async |found| Ok(found)).try_collect().await
}

fn refused(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::Refused { code, field: "media", message: message.into() }
}

/// Whether the messenger takes the file as that.
fn fit(provider: Provider, kind: Kind, row: &Model) -> Result<(), ApiError> {
    let Some((_, most)) = limits(provider).iter().find(|(other, _)| *other == kind) else {
        return Err(refused("media_not_supported", format!("{provider} accounts send no file as {kind}")));
    };
    if !is_fit(kind, &row.mime_type) {
        let message = format!("{} can't go as {kind}; it can go as document", row.mime_type);
        return Err(refused("media_not_supported", message));
    }
    if row.size.unsigned_abs() > *most {
        return Err(ApiError::TooLarge { what: "file", limit: *most });
    }
    Ok(())
}

impl Unfetched {
    fn told(&self) -> ApiError {
        match self {
            Self::TooMany => {
                refused("too_many_urls", format!("a request may name {FETCHED} addresses of files; upload them first"))
            }
            Self::Late => refused("media_unreachable", "the file was not fetched in time; upload it, or try again"),
            Self::Not(NotFetched::Unreachable(why)) => {
                refused("media_unreachable", format!("the file can't be fetched: {why}"))
            }
            Self::Not(NotFetched::NotKept(error)) => error.into(),
        }
    }
}
