//! What stands for the places of a template, as it is asked for: texts and numbers, and of whatever else is
//! there no more than that it is something else.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::template::PLACES;

/// What stands for each place, by its name. `null` stands for nothing, and no more are kept than a template
/// has places.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Variables(pub(super) BTreeMap<String, Variable>);

/// What stands for a place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) enum Variable {
    /// A text, or a number as it is written.
    Text(String),
    /// What can't stand in a text.
    Other,
}

impl<'de> Deserialize<'de> for Variables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Variables;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Variables, A::Error> {
                let mut all = BTreeMap::new();
                while all.len() < PLACES {
                    let Some((name, value)) = map.next_entry::<String, Option<Variable>>()? else {
                        return Ok(Variables(all));
                    };
                    if let Some(value) = value {
                        all.insert(name, value);
                    }
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Variables(all))
            }
        }
        deserializer.deserialize_map(All)
    }
}

impl<'de> Deserialize<'de> for Variable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Variable;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("value")
            }

            fn visit_str<E>(self, text: &str) -> Result<Variable, E> {
                Ok(Variable::Text(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Variable, E> {
                Ok(Variable::Text(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Variable, E> {
                Ok(Variable::Text(number.to_string()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Variable, E> {
                Ok(Variable::Text(number.to_string()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Variable, E> {
                Ok(Variable::Other)
            }

            fn visit_unit<E>(self) -> Result<Variable, E> {
                Ok(Variable::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Variable, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Variable::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Variable, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Variable::Other)
            }
        }
        deserializer.deserialize_any(One)
    }
}
