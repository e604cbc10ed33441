//! WhatsApp's ids of what an account sends. A client chooses them; ours are our own messages' ids,
//! shuffled: fixed before the first attempt, the same for every further one, and read back from a
//! receipt without a look into the database. To others they look as random as those of a browser.

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{AccountId, MessageId};
use sha2::{Digest, Sha256};

/// How WhatsApp Web's ids begin; 18 more hexadecimal digits follow.
const WEB: &str = "3EB0";
const DIGITS: usize = 18;
/// Bits of one half of the 72.
const HALF: u32 = 36;
const MASK: u64 = (1 << HALF) - 1;
/// How far another server's clock may be ahead of ours.
const AHEAD: TimeDelta = TimeDelta::days(1);
/// Rounds after which each bit depends on every other.
const ROUNDS: u8 = 4;

/// WhatsApp's id of our message.
pub(super) fn of(account: AccountId, message: MessageId) -> String {
    let bits = u128::from(message.number().unsigned_abs());
    let (mut left, mut right) = halves(bits);
    for round in 0..ROUNDS {
        (left, right) = (right, left ^ mix(account, round, right));
    }
    format!("{WEB}{:018X}", u128::from(left) << HALF | u128::from(right))
}

/// Our message that has this id; none if it is not one of ours. One id in 70,000 that others chose
/// passes for one.
pub(super) fn message(account: AccountId, id: &str, now: DateTime<Utc>) -> Option<MessageId> {
    let digits = id.strip_prefix(WEB).filter(|digits| digits.len() == DIGITS)?;
    let (mut left, mut right) = halves(u128::from_str_radix(digits, 16).ok()?);
    for round in (0..ROUNDS).rev() {
        (left, right) = (right ^ mix(account, round, left), left);
    }
    let bits = u128::from(left) << HALF | u128::from(right);
    // The topmost eight bits are none of a message's.
    let message = i64::try_from(bits).ok().and_then(MessageId::of_number)?;
    (message.made_at() < now + AHEAD).then_some(message)
}

fn halves(bits: u128) -> (u64, u64) {
    let low = u64::try_from(bits & u128::from(MASK)).unwrap_or_default();
    (u64::try_from(bits >> HALF).unwrap_or_default() & MASK, low)
}

/// What the one half of a Feistel network's round does to the other.
fn mix(account: AccountId, round: u8, half: u64) -> u64 {
    let hash = Sha256::new().chain_update(account.to_string()).chain_update([round]).chain_update(half.to_be_bytes());
    let hash = hash.finalize();
    let first: [u8; 8] = hash[..8].try_into().unwrap_or_default();
    u64::from_be_bytes(first) & MASK
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn an_id_is_read_back_by_its_own_account_alone_and_looks_like_a_browsers() {
        let mut rng = StdRng::seed_from_u64(1);
        let (one, other) =
            (AccountId::new(DateTime::UNIX_EPOCH, &mut rng), AccountId::new(DateTime::UNIX_EPOCH, &mut rng));
        let mut heads = std::collections::HashSet::new();
        for n in 1..=1_000 {
            let sent = MessageId::new(60_000_000_000_000 + n, 7);
            let now = sent.made_at();
            let id = of(one, sent);
            assert!(id.len() == 22 && id.starts_with("3EB0"), "{id}");
            assert_eq!(message(one, &id, now), Some(sent));
            assert_ne!(message(other, &id, now), Some(sent));
            heads.insert(id[4..10].to_owned());
        }
        // Messages that follow each other show nothing of it.
        assert!(heads.len() > 990, "{}", heads.len());
    }

    #[test]
    fn what_is_no_id_of_ours_is_none() {
        let one = AccountId::new(DateTime::UNIX_EPOCH, &mut StdRng::seed_from_u64(1));
        let ours = of(one, MessageId::new(60_000_000_000_000, 7));
        // The first is one of ours, from a time that is still to come.
        for id in
            [&ours, "", "3EB0", "3EB0ZZ", "3A0123456789ABCDEF01", "3EB0FFFFFFFFFFFFFFFFFFFF", "3EB0é00000000000000000"]
        {
            assert_eq!(message(one, id, DateTime::UNIX_EPOCH), None, "{id}");
        }
    }
}
