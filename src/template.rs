//! Texts with places: each `{{name}}` stands for something that is said for each message.

/// Characters of a place's name at most.
const NAME: usize = 50;
/// Different places of a template at most.
pub const PLACES: usize = 50;

/// What is wrong with a text as a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A place is not closed.
    #[error("has a {{{{ without its }}}}")]
    Open,
    /// A place has no name, or a very long one.
    #[error("has a {{{{name}}}} without a name of 1 to 50 characters")]
    Nameless,
    /// It has more than [`PLACES`] different places.
    #[error("has more than {PLACES} different places")]
    TooMany,
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Stays as it is.
    Text(&'a str),
    /// Is filled in.
    Place(&'a str),
}

/// The parts of a template, in order.
pub fn parts(template: &str) -> impl Iterator<Item = Result<Part<'_>, Malformed>> {
    let mut rest = template;
    let mut place = None;
    std::iter::from_fn(move || {
        if let Some(name) = place.take() {
            return Some(Ok(Part::Place(name)));
        }
        let Some((before, after)) = rest.split_once("{{") else {
            let last = std::mem::take(&mut rest);
            return (!last.is_empty()).then_some(Ok(Part::Text(last)));
        };
        let Some((name, after)) = after.split_once("}}") else {
            rest = "";
            return Some(Err(Malformed::Open));
        };
        let name = name.trim();
        if name.is_empty() || name.chars().count() > NAME {
            rest = "";
            return Some(Err(Malformed::Nameless));
        }
        rest = after;
        if before.is_empty() {
            return Some(Ok(Part::Place(name)));
        }
        place = Some(name);
        Some(Ok(Part::Text(before)))
    })
}

/// The names of a template's places, each once, in the order in which they come.
pub fn names(template: &str) -> Result<Vec<&str>, Malformed> {
    let mut names = Vec::new();
    for part in parts(template) {
        if let Part::Place(name) = part?
            && !names.contains(&name)
        {
            if names.len() == PLACES {
                return Err(Malformed::TooMany);
            }
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_texts_and_places() {
        let all = |text| parts(text).collect::<Result<Vec<_>, _>>();
        assert_eq!(all("Hello, {{ name }}!"), Ok(vec![Part::Text("Hello, "), Part::Place("name"), Part::Text("!")]));
        assert_eq!(all("{{a}}{{b}}"), Ok(vec![Part::Place("a"), Part::Place("b")]));
        assert_eq!(all("a } b }} {c}"), Ok(vec![Part::Text("a } b }} {c}")]));
        assert_eq!(all(""), Ok(vec![]));
        assert_eq!(all("to {{name"), Err(Malformed::Open));
        assert_eq!(all("to {{  }}!"), Err(Malformed::Nameless));
        assert_eq!(all(&format!("{{{{{}}}}}", "x".repeat(51))), Err(Malformed::Nameless));
    }

    #[test]
    fn a_name_is_told_once() {
        assert_eq!(names("{{b}}, {{a}} and {{ b }}"), Ok(vec!["b", "a"]));
        let many = |count| (0..count).map(|n| format!("{{{{{n}}}}}")).collect::<String>();
        assert_eq!((names(&many(50)).map(|names| names.len()), names(&many(51))), (Ok(50), Err(Malformed::TooMany)));
    }
}
