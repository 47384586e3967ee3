//! Texts as YAML scalars: plain where nothing can be misread, else quoted, or a block of lines.

/// Words that YAML 1.1 or 1.2 takes for something else.
const RESERVED: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// Control characters, and the byte order mark, which may not stand inside a file.
fn is_control(c: char) -> bool {
    c.is_control() || c == '\u{feff}'
}

/// A text in one line.
pub(in crate::import) fn word(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let has_control = text.chars().any(is_control);
    // Regular expressions are easier to read without doubled backslashes.
    if !has_control && text.contains(['\\', '"']) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if is_control(c) => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Can nobody take it for anything but this text, in brackets neither?
fn is_plain(text: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "_-./+ ()='@".contains(c);
    let mut chars = text.chars().peekable();
    let mut previous = ' ';
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        let fine = inside(c) || (c == ':' && next.is_alphanumeric());
        if !fine || (c == ' ' && previous == ' ') {
            return false;
        }
        previous = c;
    }
    text.starts_with(char::is_alphabetic)
        && !text.ends_with(' ')
        && !RESERVED.contains(&text.to_lowercase().as_str())
}

/// A long text, or one of several lines, as the head and the lines of a block scalar, not indented; `None` where
/// one line does.
pub(super) fn block(text: &str, room: usize) -> Option<Vec<String>> {
    let clean = |line: &str| !line.starts_with([' ', '\t']) && !line.chars().any(is_control);
    if text.contains('\n') {
        let body = text.strip_suffix('\n').unwrap_or(text);
        let usable = !body.is_empty()
            && !body.ends_with('\n')
            && !body.starts_with('\n')
            && body.lines().next().is_some_and(clean)
            && !body.chars().any(|c| is_control(c) && c != '\n');
        if !usable {
            return None;
        }
        let head = if body.len() == text.len() { "|-" } else { "|" };
        let lines = body.split('\n').map(str::to_owned);
        return Some(std::iter::once(head.to_owned()).chain(lines).collect());
    }
    let foldable = text.chars().count() > room
        && clean(text)
        && !text.contains("  ")
        && !text.ends_with(' ')
        && text.contains(' ');
    foldable.then(|| {
        let mut lines = vec![">-".to_owned()];
        for word in text.split(' ') {
            match lines.last_mut() {
                Some(last)
                    if lines_begun(last) && last.chars().count() + word.chars().count() < 100 =>
                {
                    last.push(' ');
                    last.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    })
}

/// Is this a line of the text, not the head of the block?
fn lines_begun(line: &str) -> bool {
    line != ">-"
}

/// A text as part of a comment: one line, no control characters.
pub(in crate::import) fn one_line(text: &str) -> String {
    text.split(is_control)
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join(" ")
}
