//! Replaces `${NAME}` and `${NAME:-default}` in scalars by the environment; `$${` stands for `${`.
//!
//! It works on the tree, never on the raw text: a value with a colon or a quote cannot change the structure.

use super::{
    Env, path, snippet,
    tree::{Expanded, Finding, Kind, Node, Pos, Scalar, Span, Tree},
    yaml::core_schema,
};

/// Replaces every reference; what cannot be resolved is a finding and counts as wrong from then on.
pub(super) fn expand(tree: &mut Tree, source: &str, env: Env<'_>, found: &mut Vec<Finding>) {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    for id in tree.reachable() {
        let Kind::Scalar { text, .. } = &tree.nodes[id].kind else {
            continue;
        };
        if !text.contains("${") {
            continue;
        }
        match replace(text, env) {
            Ok((text, expanded)) => set(&mut tree.nodes[id], text, expanded),
            Err(mistakes) => {
                for mistake in mistakes {
                    let span = find_in(source, tree.nodes[id].span, &mistake.reference);
                    let mut finding =
                        Finding::error(span, mistake.message).path(path::of(tree, id));
                    finding.hint = mistake.hint;
                    found.push(finding);
                }
                tree.nodes[id].status = super::tree::Status::Hole(0);
            }
        }
    }
}

fn set(node: &mut Node, new: String, new_expanded: Expanded) {
    if let Kind::Scalar {
        value,
        text,
        plain,
        expanded,
    } = &mut node.kind
    {
        // `threads: ${THREADS}` is a number where the variable holds one; quotes keep it a string.
        // Never nothing: a variable set to nothing must not switch off an optional token unseen.
        *value = match core_schema(&new) {
            Scalar::Null => Scalar::Str,
            value if *plain => value,
            _ => Scalar::Str,
        };
        *text = new;
        *expanded = Some(new_expanded);
    }
}

#[derive(Debug, PartialEq)]
struct Mistake {
    message: String,
    hint: Option<String>,
    /// As it stands in the text, for finding it there.
    reference: String,
}

fn replace(text: &str, env: Env<'_>) -> Result<(String, Expanded), Vec<Mistake>> {
    let mut out = String::new();
    let mut expanded = Expanded {
        written: text.to_owned(),
        ..Expanded::default()
    };
    let mut mistakes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at]);
            out.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let body = &rest[at + 2..];
        let Some(end) = body.find('}') else {
            mistakes.push(Mistake {
                message: "a reference without its closing `}`".into(),
                hint: Some("write `${NAME}`, or `$${` for a literal `${`".into()),
                reference: rest[at..].to_owned(),
            });
            break;
        };
        let reference = &rest[at..at + end + 3];
        match resolve(&body[..end], env) {
            Ok((name, value, by_default)) => {
                expanded.by_default |= by_default && !value.is_empty();
                out.push_str(&value);
                expanded.used.push((name.to_owned(), value));
            }
            Err((message, hint)) => mistakes.push(Mistake {
                message,
                hint: Some(hint),
                reference: reference.to_owned(),
            }),
        }
        rest = &rest[at + end + 3..];
    }
    out.push_str(rest);
    if mistakes.is_empty() {
        Ok((out, expanded))
    } else {
        Err(mistakes)
    }
}

/// Name, value, and whether the value is the default, for what stands between the braces.
fn resolve<'a>(body: &'a str, env: Env<'_>) -> Result<(&'a str, String, bool), (String, String)> {
    let (name, default) = match body.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (body, None),
    };
    let first = name.chars().next();
    let is_name = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return Err((
            "not the name of an environment variable".into(),
            "write `${NAME}` or `${NAME:-default}`, or `$${` for a literal `${`".into(),
        ));
    }
    if default.is_some_and(|default| default.contains("${")) {
        return Err((
            "a reference inside the default of another".into(),
            "the default must be plain text".into(),
        ));
    }
    // As in a shell, `:-` also stands in for a variable that is set to nothing.
    match (env(name), default) {
        (Some(value), None) => Ok((name, value, false)),
        (Some(value), Some(_)) if !value.is_empty() => Ok((name, value, false)),
        (_, Some(default)) => Ok((name, default.to_owned(), true)),
        (None, None) => Err((
            format!("the environment variable `{name}` is not set"),
            format!("set it, or give a default: `${{{name}:-...}}`"),
        )),
    }
}

/// Where `reference` stands inside a scalar; the whole scalar if it is folded over lines.
fn find_in(source: &str, span: Span, reference: &str) -> Span {
    let lines = snippet::lines(source);
    for number in span.start.line..=span.end.line {
        let Some(line) = lines.get(number.saturating_sub(1)) else {
            break;
        };
        let skipped = if number == span.start.line {
            span.start.column - 1
        } else {
            0
        };
        let from = line.char_indices().nth(skipped).map_or(line.len(), |c| c.0);
        if let Some(at) = line[from..].find(reference) {
            let column = line[..from + at].chars().count() + 1;
            return Span {
                start: Pos {
                    line: number,
                    column,
                },
                end: Pos {
                    line: number,
                    column: column + reference.chars().count(),
                },
            };
        }
    }
    span
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn references_are_replaced() {
        for (text, want) in [
            ("${A}", "one"),
            ("x${A}y${A}", "xoneyone"),
            ("${B:-two}", "two"),
            ("${A:-two}", "one"),
            ("${EMPTY:-two}", "two"),
            ("${EMPTY}", ""),
            ("${B:-}", ""),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("5$ ${A} }", "5$ one }"),
            ("${B:-a:-b}", "a:-b"),
        ] {
            assert_eq!(replace(text, &env).unwrap().0, want, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_named() {
        let mistakes = replace("${NO} ${A} ${1X} ${B:-${A}} ${A", &env).unwrap_err();
        let messages: Vec<_> = mistakes.iter().map(|m| m.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "the environment variable `NO` is not set",
                "not the name of an environment variable",
                "a reference inside the default of another",
                "a reference without its closing `}`",
            ]
        );
    }

    #[test]
    fn values_are_not_expanded_again() {
        let nested = |_: &str| Some("${A}".to_owned());
        assert_eq!(replace("${X}", &nested).unwrap().0, "${A}");
    }
}
