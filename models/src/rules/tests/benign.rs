//! Ordinary texts, one a line, in which nothing sensitive may be found.

use super::rules;

const TEXTS: &str = include_str!("benign.txt");

#[test]
fn nothing_sensitive_in_ordinary_texts() {
    let rules = rules();
    let lines: Vec<&str> = TEXTS.lines().filter(|l| !l.is_empty()).collect();
    assert!(lines.len() >= 150, "{}", lines.len());
    let mut wrong = Vec::new();
    // Together too: what stands in the next line must not become a context.
    for text in lines.iter().copied().chain([TEXTS]) {
        for span in rules.find(text) {
            if rules.sensitive(&span.label) {
                wrong.push(format!(
                    "{} {:?}: {text:.120}",
                    span.label,
                    &text[span.range.clone()]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hardly_a_telephone_or_mail_in_ordinary_texts() {
    let rules = rules();
    let found: Vec<_> = TEXTS
        .lines()
        .flat_map(|l| rules.find(l).into_iter().map(move |s| (s, l)))
        .filter(|(s, _)| {
            matches!(
                s.label.as_str(),
                "PHONE_NUMBER" | "EMAIL_ADDRESS" | "CRYPTO_ADDRESS" | "MAC_ADDRESS" | "VIN"
            )
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}
