//! What the database promises, on each of them.

use andante::clock::Clock;
use andante::pacing::{Limits, Policy, Presets};
use andante::store::account::Connected;
use andante::store::action::Action;
use andante::store::file::NewChat;
use andante::store::list::Page;
use andante::store::message::{Attempt, Beginning, Filing, Finished, Kept, Moved, NewMessage, Outcome, Paced, Receipt};
use andante::store::state::{Edge, Entry, Keep, Which};
use andante::store::{Seal, Store};
use chrono::{DateTime, TimeDelta, Utc};
use entity::account::Provider;
use entity::action::Deed;
use entity::ids::{AccountId, CompanyId, MessageId};
use entity::message::Status;
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use tempfile::TempDir;

use crate::harness::Postgres;

/// One database, through the store and past it.
struct Case {
    store: Store,
    raw: DatabaseConnection,
    account: AccountId,
    now: DateTime<Utc>,
    _folder: TempDir,
}

impl Case {
    async fn on(url: &str, folder: TempDir) -> Self {
        let store = Store::open(url, &Seal::default(), false).await.unwrap();
        let raw = Database::connect(url).await.unwrap();
        let now = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
        let account = AccountId::new(now, &mut rand::rng());
        let case = Self { store, raw, account, now, _folder: folder };
        let by = Action::by_visitor(CompanyId::DEFAULT, account, Deed::Created);
        case.store.create_account(case.row(), None, by, None).await.unwrap().unwrap();
        case
    }

    fn row(&self) -> entity::account::Model {
        entity::account::Model {
            id: self.account,
            created_by: None,
            company_id: CompanyId::DEFAULT,
            user_id: None,
            type_instance: None,
            port: None,
            name: "A".to_owned(),
            provider: Provider::Simulator,
            use_limits: true,
            limits: None,
            proxy: None,
            config: None,
            pairing: None,
            phone_number: None,
            display_name: None,
            should_connect: false,
            may_pair: true,
            is_paused: false,
            pause_reason: None,
            epoch: 0,
            error_code: None,
            error_message: None,
            error_at_ms: None,
            first_connected_at_ms: None,
            connected_at_ms: None,
            restricted_until_ms: None,
            created_at_ms: 0,
            updated_at_ms: 0,
        }
    }

    fn message(&self, seq: i64) -> NewMessage {
        NewMessage {
            id: MessageId::new(seq, rand::random()),
            company: CompanyId::DEFAULT,
            account: self.account,
            recipient: "77777777777".to_owned(),
            text: "\"quotes\", \\ and 👋 \u{1}".to_owned(),
            priority: 5,
            due_at: None,
            expires_at: None,
            reference: None,
            key: None,
            created_at: self.now,
            chat: None,
            user: None,
            media: None,
        }
    }

    /// The attempt of the lane of `epoch`.
    fn attempt(&self, message: MessageId, epoch: i64) -> Attempt {
        Attempt { account: self.account, message, epoch, token: 7, at: self.now }
    }

    async fn begin(&self, message: MessageId) -> Beginning {
        self.store.begin(self.attempt(message, 0)).await.unwrap()
    }

    async fn finish(&self, message: MessageId, outcome: &Outcome) -> Finished {
        self.store.finish(self.attempt(message, 0), outcome.clone()).await.unwrap()
    }

    async fn accepted(&self, seq: i64) -> MessageId {
        let message = self.message(seq);
        assert_eq!(self.store.accept(vec![message.clone()]).await.unwrap(), [Kept::New]);
        message.id
    }

    async fn status(&self, id: MessageId) -> Status {
        self.store.find_message(CompanyId::DEFAULT, id).await.unwrap().unwrap().status
    }

    async fn sent(&self, seq: i64) -> MessageId {
        let id = self.accepted(seq).await;
        assert!(matches!(self.begin(id).await, Beginning::Begun(_)));
        let outcome =
            Outcome { status: Some(Status::Sent), sent_at: Some(self.now), is_attempt: true, ..Outcome::default() };
        self.finish(id, &outcome).await;
        id
    }
}

macro_rules! on_both_databases {
    ($($name:ident)*) => {
        mod sqlite { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let folder = super::TempDir::new().unwrap();
                let url = format!("sqlite://{}/andante.db", folder.path().display());
                super::$name(super::Case::on(&url, folder).await).await;
            }
        )* }
        mod postgresql { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let url = super::Postgres::database().await;
                super::$name(super::Case::on(&url, super::TempDir::new().unwrap()).await).await;
            }
        )* }
    };
}

on_both_databases! {
    the_schema_allows_exactly_the_moves_of_the_state_machine
    a_text_comes_back_as_it_was_written
    one_key_is_one_message_even_within_a_batch
    a_row_that_can_not_be_written_takes_no_other_along
    an_outcome_that_is_refused_takes_no_other_along
    a_message_begins_once
    an_attempt_is_the_lane_s_that_has_the_account_and_a_paused_queue_begins_none
    what_was_counted_is_never_taken_back
    a_removed_account_leaves_nothing_behind_but_what_became_of_its_messages
    of_entries_with_the_same_key_the_last_is_kept_and_only_for_who_has_the_account
    receipts_only_move_forward
    an_outcome_may_be_written_twice_and_a_receipt_may_overtake_it
    a_pace_is_rebuilt_from_the_rows
    what_is_queued_is_read_in_order_batch_by_batch
    a_new_connection_keeps_the_day_of_the_first
    a_message_that_its_chat_refuses_keeps_no_other_out
}

async fn the_schema_allows_exactly_the_moves_of_the_state_machine(case: Case) {
    let mut id = 0;
    for from in Status::ALL {
        for to in Status::ALL {
            id += 1;
            let insert = format!(
                "INSERT INTO message (id, company_id, account_id, recipient, text, status, priority, seq, created_at_ms, attempted_at_ms, sent_at_ms)
                 VALUES ({id}, '{}', '{}', '1', 'm', '{from}', 5, 1, 0, 0, 0)",
                CompanyId::DEFAULT, case.account
            );
            case.raw.execute_unprepared(&insert).await.unwrap();
            let update = format!("UPDATE message SET status = '{to}' WHERE id = {id}");
            let moved = case.raw.execute_unprepared(&update).await.is_ok();
            assert_eq!(moved, from == to || from.may_become(to), "from {from} to {to}");
        }
    }
    let lost = format!("UPDATE message SET status = 'lost' WHERE account_id = '{}'", case.account);
    assert!(case.raw.execute_unprepared(&lost).await.is_err());
}

async fn a_text_comes_back_as_it_was_written(case: Case) {
    let message = case.message(1);
    case.store.accept(vec![message.clone()]).await.unwrap();
    let Beginning::Begun(begun) = case.begin(message.id).await else { panic!("it begins") };
    assert_eq!((begun.text, begun.recipient, begun.attempts), (message.text, message.recipient, 1));
}

async fn one_key_is_one_message_even_within_a_batch(case: Case) {
    let keyed = |seq, hash| NewMessage { key: Some(("k".to_owned(), hash)), ..case.message(seq) };
    let rows = vec![keyed(1, 7), keyed(2, 7), keyed(3, 8), case.message(4)];
    let first = rows[0].id;
    assert_eq!(case.store.accept(rows).await.unwrap(), [Kept::New, Kept::Repeat(first), Kept::Conflict, Kept::New]);
    assert_eq!(case.store.accept(vec![keyed(5, 7)]).await.unwrap(), [Kept::Repeat(first)]);
    assert_eq!(case.store.count_queued(case.account).await.unwrap(), 2);
}

async fn a_row_that_can_not_be_written_takes_no_other_along(case: Case) {
    let wrong = NewMessage { priority: 12, ..case.message(1) };
    let both = futures_util::future::join_all(
        [case.message(2), wrong, case.message(3)].map(|row| case.store.accept(vec![row])),
    );
    let results = both.await;
    assert!(results[0].is_ok() && results[1].is_err() && results[2].is_ok(), "{results:?}");
    assert_eq!(case.store.count_queued(case.account).await.unwrap(), 2);
}

async fn an_outcome_that_is_refused_takes_no_other_along(case: Case) {
    let ids = [case.accepted(1).await, case.accepted(2).await, case.accepted(3).await];
    for id in ids {
        case.begin(id).await;
    }
    let outcome = |status| Outcome { status: Some(status), is_attempt: true, ..Outcome::default() };
    // No attempt ends so.
    let ends = [Status::Failed, Status::Cancelled, Status::Uncertain];
    let all = ids.iter().zip(ends).map(|(id, status)| case.store.finish(case.attempt(*id, 0), outcome(status)));
    let results = futures_util::future::join_all(all).await;
    assert!(results[0].is_ok() && results[1].is_err() && results[2].is_ok(), "{results:?}");
    let statuses = [case.status(ids[0]).await, case.status(ids[1]).await, case.status(ids[2]).await];
    assert_eq!(statuses, [Status::Failed, Status::Sending, Status::Uncertain]);
}

async fn a_message_begins_once(case: Case) {
    let id = case.accepted(1).await;
    assert!(matches!(case.begin(id).await, Beginning::Begun(_)));
    assert_eq!(case.begin(id).await, Beginning::NotQueued);
    case.store.unbegin(case.attempt(id, 0)).await.unwrap();
    let Beginning::Begun(begun) = case.begin(id).await else { panic!("it begins") };
    assert_eq!(begun.attempts, 1);
    let cancelled = case.accepted(2).await;
    assert!(case.store.cancel(cancelled).await.unwrap() && !case.store.cancel(id).await.unwrap());
    assert_eq!(case.begin(cancelled).await, Beginning::NotQueued);
    let late = NewMessage { expires_at: Some(case.now), ..case.message(3) };
    case.store.accept(vec![late.clone()]).await.unwrap();
    assert_eq!(case.begin(late.id).await, Beginning::Expired);
    assert_eq!(case.status(late.id).await, Status::Expired);
}

async fn receipts_only_move_forward(case: Case) {
    let (a, b) = (case.sent(1).await, case.sent(2).await);
    let receipt = |message, status| Receipt { account: case.account, message, status, at: case.now };
    let (read, delivered) = (receipt(a, Status::Read), receipt(a, Status::Delivered));
    let moved = Moved { receipt: read, chat: None };
    assert_eq!(case.store.receive(vec![read]).await.unwrap(), [moved]);
    assert_eq!(case.store.receive(vec![delivered]).await.unwrap(), []);
    assert_eq!(case.status(a).await, Status::Read);
    let both = vec![receipt(b, Status::Read), receipt(b, Status::Delivered)];
    assert_eq!(case.store.receive(both).await.unwrap().len(), 2);
    let row = case.store.find_message(CompanyId::DEFAULT, b).await.unwrap().unwrap();
    assert!(row.status == Status::Read && row.delivered_at_ms.is_some() && row.read_at_ms.is_some());
    let queued = case.accepted(3).await;
    assert_eq!(case.store.receive(vec![receipt(queued, Status::Read)]).await.unwrap(), []);
    // Nor does one account say what became of another's.
    let c = case.sent(4).await;
    let foreign = Receipt { account: AccountId::new(case.now, &mut rand::rng()), ..receipt(c, Status::Read) };
    assert_eq!(case.store.receive(vec![foreign]).await.unwrap(), []);
    assert_eq!(case.status(c).await, Status::Sent);
}

async fn an_outcome_may_be_written_twice_and_a_receipt_may_overtake_it(case: Case) {
    let id = case.accepted(1).await;
    case.begin(id).await;
    case.store
        .receive(vec![Receipt { account: case.account, message: id, status: Status::Delivered, at: case.now }])
        .await
        .unwrap();
    let outcome =
        Outcome { status: Some(Status::Sent), sent_at: Some(case.now), is_attempt: true, ..Outcome::default() };
    for _ in 0..2 {
        case.finish(id, &outcome).await;
    }
    let row = case.store.find_message(CompanyId::DEFAULT, id).await.unwrap().unwrap();
    assert_eq!((row.status, row.attempts, row.sent_at_ms), (Status::Delivered, 1, Some(case.now.timestamp_millis())));
}

async fn a_pace_is_rebuilt_from_the_rows(case: Case) {
    let presets = Presets {
        limited: Limits { per_minute: Some(3), daily_limit_to: Some(9), ..Limits::default() },
        unlimited: Limits::default(),
    };
    let policy = Policy::new(&presets, true, &Limits::default(), None).unwrap();
    assert_eq!(case.store.pace(case.account, &policy, case.now).await.unwrap().last_at, None);
    for minute in 0..5 {
        let at = case.now - TimeDelta::minutes(5 - minute);
        let id = case.accepted(minute).await;
        let attempt = Attempt { at, ..case.attempt(id, 0) };
        case.store.begin(attempt).await.unwrap();
        let (next_at, since_rest) = (at + TimeDelta::seconds(9), u32::try_from(minute).unwrap() + 1);
        let paced = Some(Paced { at, next_at, since_rest, took_ms: 70, is_first: minute == 0 });
        let outcome = Outcome { status: Some(Status::Failed), is_attempt: true, paced, ..Outcome::default() };
        case.store.finish(attempt, outcome).await.unwrap();
    }
    let pace = case.store.pace(case.account, &policy, case.now).await.unwrap();
    let last = case.now - TimeDelta::minutes(1);
    assert_eq!((pace.last_at, pace.next_at), (Some(last), Some(last + TimeDelta::seconds(9))));
    assert_eq!((pace.since_rest, pace.day_count, pace.took_ms), (5, 5, 70));
    let recent: Vec<_> = pace.recent.iter().map(|sent| (case.now - sent.0).num_minutes()).collect();
    assert_eq!(recent, [3, 2, 1]);
    assert_eq!(case.store.sent_last_minute(case.account, case.now).await.unwrap(), 1);
}

async fn what_is_queued_is_read_in_order_batch_by_batch(case: Case) {
    let mut rows: Vec<NewMessage> =
        (0..25).map(|seq| NewMessage { priority: (seq % 3) as i16, ..case.message(seq) }).collect();
    case.store.accept(rows.clone()).await.unwrap();
    rows.sort_by_key(|row| (row.priority, row.id));
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let (entries, last) = case.store.queued_after(case.account, after, 10).await.unwrap();
        if entries.is_empty() {
            break;
        }
        read.extend(entries.into_iter().map(|entry| entry.message));
        after = last;
    }
    assert_eq!(read, rows.iter().map(|row| row.id).collect::<Vec<_>>());
    assert_eq!(case.store.count_queued(case.account).await.unwrap(), 25);
}

async fn a_new_connection_keeps_the_day_of_the_first(case: Case) {
    let news = |days| Connected {
        phone_number: Some("996700123456".to_owned()),
        display_name: None,
        pairing: None,
        at: case.now + TimeDelta::days(days),
    };
    case.store.change_account(case.account, |row| row.should_connect = Set(true)).await.unwrap();
    case.store.connected(&[(case.account, 0, news(0))]).await.unwrap();
    case.store.connected(&[(case.account, 0, news(3))]).await.unwrap();
    // The connection of a lane that has lost the account teaches nothing.
    let lost = case.store.connected(&[(case.account, 1, news(5))]).await.unwrap();
    assert!(lost.is_empty());
    let account = case.store.account(case.account).await.unwrap().unwrap();
    assert_eq!(account.first_connected_at_ms, Some(case.now.timestamp_millis()));
    assert_eq!(account.connected_at_ms, Some((case.now + TimeDelta::days(3)).timestamp_millis()));
}

async fn an_attempt_is_the_lane_s_that_has_the_account_and_a_paused_queue_begins_none(case: Case) {
    let id = case.accepted(1).await;
    let pause = async |is_paused| {
        case.store.change_account(case.account, |row| row.is_paused = Set(is_paused)).await.unwrap();
    };
    pause(true).await;
    assert_eq!(case.begin(id).await, Beginning::Held);
    pause(false).await;
    assert!(matches!(case.begin(id).await, Beginning::Begun(_)));
    assert_eq!(case.store.raise_epochs(&[case.account]).await.unwrap()[0].epoch, 1);
    // The lane that lost the account has no say any more, in either direction.
    let sent = Outcome { status: Some(Status::Sent), sent_at: Some(case.now), is_attempt: true, ..Outcome::default() };
    assert_eq!(case.finish(id, &sent).await, Finished::Settled);
    case.store.unbegin(case.attempt(id, 0)).await.unwrap();
    assert_eq!(case.status(id).await, Status::Sending);
    let other = case.accepted(2).await;
    assert_eq!(case.begin(other).await, Beginning::Lost);
    // Nor has one that ends another attempt than the present one.
    let left = case.store.in_flight(case.account, 1).await.unwrap();
    assert_eq!(left.iter().map(|(attempt, _)| *attempt).collect::<Vec<_>>(), [case.attempt(id, 1)]);
    let early = Attempt { token: 6, ..case.attempt(id, 1) };
    assert_eq!(case.store.finish(early, sent.clone()).await.unwrap(), Finished::Settled);
    let written = case.store.finish(case.attempt(id, 1), sent).await.unwrap();
    assert_eq!((written, case.status(id).await), (Finished::Written, Status::Sent));
}

async fn what_was_counted_is_never_taken_back(case: Case) {
    let presets =
        Presets { limited: Limits { per_minute: Some(3), ..Limits::default() }, unlimited: Limits::default() };
    let policy = Policy::new(&presets, true, &Limits::default(), None).unwrap();
    let id = case.accepted(1).await;
    let outcome = |at, status, is_first| Outcome {
        status: Some(status),
        sent_at: (status == Status::Sent).then_some(at),
        is_attempt: true,
        paced: Some(Paced { at, next_at: at, since_rest: 1, took_ms: 0, is_first }),
        ..Outcome::default()
    };
    for (second, status) in [(0, Status::Uncertain), (1, Status::Failed), (2, Status::Sent)] {
        let at = case.now + TimeDelta::seconds(second);
        let attempt = Attempt { token: second, at, ..case.attempt(id, 0) };
        assert!(matches!(case.store.begin(attempt).await.unwrap(), Beginning::Begun(_)));
        // Written twice, as after a reply that was lost, it counts once.
        for _ in 0..2 {
            case.store.finish(attempt, outcome(at, status, false)).await.unwrap();
        }
        case.store.requeue(id, 10 + second).await.unwrap();
    }
    let later = case.now + TimeDelta::seconds(3);
    assert_eq!(case.store.pace(case.account, &policy, later).await.unwrap().day_count, 3);
    assert_eq!(case.store.sent_last_minute(case.account, later).await.unwrap(), 3);
    // The first of a day long after forgets what no limit looks back to.
    let next = case.accepted(2).await;
    let attempt = Attempt { at: case.now + TimeDelta::days(4), ..case.attempt(next, 0) };
    case.store.begin(attempt).await.unwrap();
    case.store.finish(attempt, outcome(attempt.at, Status::Sent, true)).await.unwrap();
    let counted =
        case.raw.query_all_raw(Statement::from_string(case.raw.get_database_backend(), "SELECT 1 FROM paced"));
    assert_eq!(counted.await.unwrap().len(), 1);
}

async fn a_removed_account_leaves_nothing_behind_but_what_became_of_its_messages(case: Case) {
    let chat = NewChat {
        company: CompanyId::DEFAULT,
        account: case.account,
        address: "77777777777@c.us".to_owned(),
        kind: entity::chat::Kind::Individual,
        name: None,
        at: case.now,
    };
    let chat = case.store.open_chat(chat).await.unwrap();
    let (queued, sending) = (case.accepted(1).await, case.accepted(2).await);
    assert!(matches!(case.begin(sending).await, Beginning::Begun(_)));
    for seq in 3..1_500 {
        let written = NewMessage { chat: Some(chat.id), text: "appointment".to_owned(), ..case.message(seq) };
        case.store.accept(vec![written]).await.unwrap();
    }
    let words = async || {
        let backend = case.raw.get_database_backend();
        let count = Statement::from_string(backend, "SELECT COUNT(*) FROM message_text");
        case.raw.query_one_raw(count).await.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap()
    };
    assert!(words().await > 1_000);
    assert_eq!(case.store.orphans().await.unwrap(), []);
    assert_eq!(case.store.delete_account(case.account).await.unwrap(), []);
    assert_eq!(case.store.orphans().await.unwrap(), [case.account]);
    case.store.clear_up(case.account).await.unwrap();
    assert_eq!(case.store.orphans().await.unwrap(), []);
    assert_eq!((case.status(queued).await, case.status(sending).await), (Status::Cancelled, Status::Uncertain));
    assert_eq!((words().await, case.store.find_chat(case.account, chat.id).await.unwrap()), (0, None));
}

async fn a_message_that_its_chat_refuses_keeps_no_other_out(case: Case) {
    let mut ids = Vec::new();
    for n in 1..=5 {
        let id = case.accepted(n).await;
        case.begin(id).await;
        // Longer than PostgreSQL takes.
        let address = if n == 3 { "7".repeat(300) } else { format!("7777777777{n}@c.us") };
        let filing = Some(Filing { address, seq: n });
        let sent = Outcome { status: Some(Status::Sent), sent_at: Some(case.now), filing, ..Outcome::default() };
        assert_eq!(case.finish(id, &sent).await, Finished::Written);
        ids.push(id);
    }
    let count = async || {
        let sql = "SELECT COUNT(*) FROM message WHERE is_filed = FALSE";
        let row = case.raw.query_one_raw(Statement::from_string(case.raw.get_database_backend(), sql)).await.unwrap();
        row.unwrap().try_get_by_index::<i64>(0).unwrap()
    };
    let mut posted = Vec::new();
    while count().await > 0 {
        posted.extend(case.store.file(&Clock::system()).await.unwrap());
    }
    for id in [ids[0], ids[1], ids[3], ids[4]] {
        let mut of_it = posted.iter().filter(|posted| posted.message.id == id);
        let chat = of_it.next().unwrap().chat.as_ref().unwrap();
        assert!(of_it.next().is_none(), "once");
        assert_eq!(case.store.list_chat_messages(chat.id, Page::Offset(0), 9).await.unwrap()[0].id, id);
    }
    assert_eq!(case.status(ids[2]).await, Status::Sent);
}

async fn of_entries_with_the_same_key_the_last_is_kept_and_only_for_who_has_the_account(case: Case) {
    let entry = |key: &str, value: &str| Entry { key: key.to_owned(), value: value.into(), number: 0 };
    let some = Keep::Put(vec![entry("b", "1"), entry("a", "2"), entry("b", "3")]);
    assert!(case.store.keep(case.account, 0, "session", some.clone()).await.unwrap().is_some());
    let entries = [entry("a", "2"), entry("b", "3")];
    assert_eq!(case.store.entries(case.account, "session", Which::All).await.unwrap(), entries);
    for (edge, at) in [(Edge::First, 0), (Edge::Last, 1)] {
        assert_eq!(case.store.edge_entry(case.account, "session", edge).await.unwrap().as_ref(), Some(&entries[at]));
    }
    assert_eq!(case.store.edge_entry(case.account, "other", Edge::First).await.unwrap(), None);
    assert_eq!(case.store.keep(case.account, 1, "session", Keep::Remove(Which::All)).await.unwrap(), None);
    assert_eq!(case.store.entries(case.account, "session", Which::All).await.unwrap(), entries);
}
