//! References to environment variables: the peer's spelling to ours. Nothing is resolved.
//!
//! The peer replaces `$NAME`, `${NAME}`, `${NAME:-default}` (unset or empty), `${NAME-default}` (unset) in every
//! string, and reads `$$` as `$`. Ours knows `${NAME}`, `${NAME:-default}`, and `$${` for a literal `${`.

/// `text` with its references as ours.
pub(super) fn translate(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        rest = if let Some(behind) = rest.strip_prefix('$') {
            literal(&mut out, behind)
        } else if let Some((body, behind)) = braced(rest) {
            reference(&mut out, body);
            behind
        } else {
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            match is_name(&rest[..end]) {
                true => {
                    reference(&mut out, &rest[..end]);
                    &rest[end..]
                }
                // The peer would look for a variable named `5` in `$5`; nobody means that.
                false => literal(&mut out, rest),
            }
        };
    }
    out.push_str(rest);
    out
}

/// Does `text` refer to variables?
pub(super) fn has_reference(text: &str) -> bool {
    let translated = translate(text);
    let mut rest = translated.as_str();
    while let Some(at) = rest.find("${") {
        if !rest[..at].ends_with('$') {
            return true;
        }
        rest = &rest[at + 2..];
    }
    false
}

/// Writes a `$` that is only a `$`.
fn literal<'t>(out: &mut String, behind: &'t str) -> &'t str {
    out.push('$');
    if behind.starts_with('{') {
        out.push('$');
    }
    behind
}

/// What stands in braces, and what follows; `None` if it is no reference.
fn braced(rest: &str) -> Option<(&str, &str)> {
    let (body, behind) = rest.strip_prefix('{')?.split_once('}')?;
    let name = body.split([':', '-']).next().unwrap_or_default();
    is_name(name).then_some((body, behind))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn reference(out: &mut String, body: &str) {
    let (name, default) = match body.split_once(":-").or_else(|| body.split_once('-')) {
        Some((name, default)) => (name, Some(default)),
        None => (body, None),
    };
    out.push_str("${");
    out.push_str(name);
    if let Some(default) = default {
        out.push_str(":-");
        out.push_str(default);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("plain", "plain")]
    #[case("${HOST}:8000", "${HOST}:8000")]
    #[case("$HOST:8000", "${HOST}:8000")]
    #[case("${HOST:-localhost}:${PORT-80}", "${HOST:-localhost}:${PORT:-80}")]
    #[case("it costs $5", "it costs $5")]
    #[case("it costs $$5", "it costs $5")]
    #[case("a literal $${X}", "a literal $${X}")]
    #[case(r"\d+$", r"\d+$")]
    #[case("(a$|b)", "(a$|b)")]
    #[case("${not a name}", "$${not a name}")]
    #[case("${open", "$${open")]
    fn spellings(#[case] theirs: &str, #[case] ours: &str) {
        assert_eq!(translate(theirs), ours);
    }

    #[test]
    fn references_are_found() {
        assert!(has_reference("$HOST"));
        assert!(!has_reference("costs $5 or $${X}"));
    }
}
