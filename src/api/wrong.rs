//! What is wrong with a request, in our own words. What a parser says names its types and counts its
//! columns; a client is told the field, what is wrong with it and what would be right.

use std::ops::RangeInclusive;

use crate::error::{ApiError, Detail};

/// What our own readers say that they expect.
pub(super) const TEXT_OR_NUMBER: &str = "a text or a whole number";

/// What is wrong with a field, from what a parser says of it.
pub(super) fn wrong(path: &str, said: &str) -> Detail {
    // A client's own name may have backticks in it, and what follows it is ours.
    let named = |said: &str| {
        let rest = said.split_once('`').map_or("", |(_, rest)| rest);
        let name = rest.rsplit_once("`, ").map_or(rest, |(name, _)| name);
        name.rsplit_once("`, expected").map_or(name, |(name, _)| name).trim_end_matches('`').to_owned()
    };
    let within = |name: &str| match path.trim_matches('.') {
        "" | "?" => name.to_owned(),
        path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        path => format!("{path}.{name}"),
    };
    let (field, message) = if said.starts_with("missing field") {
        (within(&named(said)), "is needed".to_owned())
    } else if said.starts_with("unknown field") {
        (within(&named(said)), format!("is not known here{}", known(said, "; known are ")))
    } else if said.starts_with("duplicate field") {
        (within(&named(said)), "is there twice".to_owned())
    } else if said.starts_with("unknown variant") {
        (within(""), format!("can't be that{}", known(said, "; it can be ")))
    } else {
        (within(""), format!("must be {}", right(said)))
    };
    let field = field.trim_matches('.').to_owned();
    Detail { field: if field.is_empty() { "body".to_owned() } else { field }, message }
}

/// The names that stand after what was expected.
fn known(said: &str, before: &str) -> String {
    let expected = said.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    let names: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    if names.is_empty() { String::new() } else { format!("{before}{}", names.join(", ")) }
}

/// What would be right, from what a parser says that it expected, or why it could not read a text.
fn right(said: &str) -> String {
    let expected = said.rsplit_once(", expected ").map_or(said, |(_, expected)| expected);
    let whole = |most: u64| format!("a whole number from 0 to {most}");
    match expected {
        "a boolean" | "provided string was not `true` or `false`" => "true or false".to_owned(),
        "a string" | "a borrowed string" | "string or map" | "value" => "a text".to_owned(),
        "u8" => whole(u8::MAX.into()),
        "u16" => whole(u16::MAX.into()),
        "u32" => whole(u32::MAX.into()),
        "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "i32" | "i64" => "a whole number".to_owned(),
        "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "an array of length 2" | "an array of size 2" => "a list of two".to_owned(),
        "trailing characters" | "fewer elements in array" => "a shorter list".to_owned(),
        "a map" => "an object".to_owned(),
        TEXT_OR_NUMBER => TEXT_OR_NUMBER.to_owned(),
        _ if expected.starts_with("struct ") => "an object".to_owned(),
        _ if expected.contains(" date and time") || TIMES.contains(&expected) => {
            "a time such as 2025-12-01T10:00:00Z".to_owned()
        }
        _ if expected.contains("parse integer")
            || expected.contains("invalid digit")
            || expected.contains("number too") =>
        {
            "a whole number that is not negative".to_owned()
        }
        "not an id of this kind" => "an id as this server gave it".to_owned(),
        "number out of range" => "a smaller number".to_owned(),
        _ => "of another kind; the contract at /openapi.json says which".to_owned(),
    }
}

/// What chrono says of a text that is no time.
const TIMES: &[&str] = &[
    "input is out of range",
    "no possible date and time matching input",
    "input is not enough for unique date and time",
    "input contains invalid characters",
    "premature end of input",
    "trailing input",
];

/// garde's check of a text: how many characters it has, that it is not blank if it must have one,
/// and no NUL, which PostgreSQL can't store.
pub(super) fn text(length: RangeInclusive<usize>) -> impl FnOnce(&str, &()) -> garde::Result {
    move |text, ()| {
        let least = *length.start();
        let message = if text.contains('\0') {
            "must not contain a NUL character".to_owned()
        } else if least > 0 && text.trim().is_empty() {
            "must not be blank".to_owned()
        } else if !length.contains(&text.chars().count()) {
            format!("must have {least} to {} characters", length.end())
        } else {
            return Ok(());
        };
        Err(garde::Error::new(message))
    }
}

/// garde's check of a number.
pub(super) fn at_most(most: u8) -> impl FnOnce(&Option<u8>, &()) -> garde::Result {
    move |number, ()| match number {
        Some(number) if *number > most => Err(garde::Error::new(format!("must be a whole number from 0 to {most}"))),
        _ => Ok(()),
    }
}

/// Turns what garde found into our shape.
pub(super) fn check<T: garde::Validate<Context = ()>>(value: &T) -> Result<(), ApiError> {
    check_named(value, camel_case)
}

/// The same, where the names of fields have underscores.
pub(super) fn check_snake_case<T: garde::Validate<Context = ()>>(value: &T) -> Result<(), ApiError> {
    check_named(value, str::to_owned)
}

fn check_named<T: garde::Validate<Context = ()>>(value: &T, name: fn(&str) -> String) -> Result<(), ApiError> {
    value.validate().map_err(|report| {
        let detail = |(path, error): &(garde::Path, garde::Error)| Detail {
            field: name(&path.to_string()),
            message: error.message().to_owned(),
        };
        ApiError::Bad { code: "invalid_request", details: report.iter().map(detail).collect() }
    })
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        name + head.to_ascii_uppercase().as_str() + tail
    })
}
