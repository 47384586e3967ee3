//! What looks like a finding and is none: wrong check digits, wrong lengths, pieces of longer things.

use super::personal::NATIONAL;
use super::{assert_found, assert_none, rules};

#[test]
fn a_wrong_check_digit_is_no_national_number() {
    let rules = rules();
    let mut wrong = Vec::new();
    for (words, id) in NATIONAL {
        // The last digit that is not the first: every algorithm here notices a change of one digit.
        let at = id.rfind(|c: char| c.is_ascii_digit()).unwrap();
        let digit = id.as_bytes()[at] - b'0';
        let changed = format!("{}{}{}", &id[..at], (digit + 1) % 10, &id[at + 1..]);
        let text = format!("{words}: {changed}, thanks");
        if rules.find(&text).iter().any(|s| s.label == "NATIONAL_ID") {
            wrong.push(format!("{text}: {:?}", rules.find(&text)));
        }
    }
    // Medicare's last digit counts the cards; it checks nothing.
    wrong.retain(|w| !w.starts_with("Medicare"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_social_security_number() {
    assert_none(
        "US_SSN",
        &[
            "SSN 000-12-3456",
            "SSN 666-12-3456",
            "SSN 912-34-5678",
            "SSN 123-00-6789",
            "SSN 123-45-0000",
            "SSN 123-45-67890",
            "SSN 1123-45-6789",
            "part 123-45-6789-0",
            "X-123-45-6789",
            "123 45 6789",
            "123456789",
            "a123-45-6789b",
            "123-456-789",
            "Il codice articolo 118-22-0457 non si trova.",
            "part number: 118-22-0457",
            "Artikelnummer 118-22-0457",
        ],
    );
    // Something is ordered, but the number is not called that of a thing.
    assert_found(&[
        ("US_SSN", "part of my file, 118-22-0457", "118-22-0457"),
        ("US_SSN", "order number 5 for 118-22-0457", "118-22-0457"),
        ("US_SSN", "part number or SSN 118-22-0457", "118-22-0457"),
    ]);
}

#[test]
fn no_card() {
    assert_none(
        "CREDIT_CARD",
        &[
            "card 4111111111111112",
            "card 411111111111111",
            "card 41111111111111111",
            "0x4111111111111111",
            "sha 4111111111111111abcdef",
            "0.4111111111111111",
            "4111111111111111.5",
            "550e8400-e29b-41d4-a716-446655440000",
            "4111-1111 11111111",
            "card 0000 0000 0000 0000",
            "card 9999 9999 9999 9995",
            "id_4111111111111111",
            "1.4111 1111 1111 1111",
        ],
    );
}

#[test]
fn no_iban() {
    assert_none(
        "IBAN_CODE",
        &[
            "DE89 3704 0044 0532 0130 01",
            "DE89 3704 0044 0532 0130",
            "XDE89370400440532013000",
            "DE89370400440532013000X",
            "ZZ89370400440532013000",
            "DE8937040044053201300",
        ],
    );
}

#[test]
fn no_address_of_a_machine() {
    assert_none(
        "IP_ADDRESS",
        &[
            "version 1.2.3.4",
            "upgrade to v 10.20.30.40",
            "section 3.2.1.4",
            "1.2.3.4.5",
            "256.1.1.300",
            "01.02.03.04",
            "std::fs::read",
            "a::b",
            "at 10:11:12",
            "Chapter 2.1.1.1",
            "1.2.3.4-beta",
        ],
    );
    assert_none(
        "MAC_ADDRESS",
        &[
            "00:1b:44:11:3A",
            "00:1b:44:11:3A:B7:00",
            "x00:1b:44:11:3A:B7",
            "12-10-11-09-08-07",
        ],
    );
}

#[test]
fn no_telephone() {
    assert_none(
        "PHONE_NUMBER",
        &[
            "$1,234,567.89",
            "order 1234567890",
            "2024-01-02",
            "12.03.2024",
            "10000000",
            "3.141592653589793",
            "ISBN 978-3-16-148410-0",
            "192.168.100.200",
            "1 2 3 4 5 6 7 8 9 10",
            "range 1000-2000",
            "tracking 1Z999AA10123456784",
            "timestamp 1700000000000",
            "0 0 0 0 0 0 0 0 0 0",
            "model XR-500, serial 0047-7719-3320, red light",
            "part no. 030-1234567",
            "Bestellnummer: 0221 478 1234",
            "The part number 287-450-9016 doesn't fit.",
        ],
    );
    // Though something was ordered.
    assert_found(&[
        (
            "PHONE_NUMBER",
            "order by phone: 0047-7719-3320",
            "0047-7719-3320",
        ),
        (
            "PHONE_NUMBER",
            "order it at our shop: 030-1234567",
            "030-1234567",
        ),
        ("PHONE_NUMBER", "my order, 415-555-2671", "415-555-2671"),
        (
            "PHONE_NUMBER",
            "serial number +47 7719 3320",
            "+47 7719 3320",
        ),
        (
            "PHONE_NUMBER",
            "order number by phone: 415-555-2671",
            "415-555-2671",
        ),
    ]);
}

#[test]
fn no_mail_or_domain() {
    assert_none(
        "EMAIL_ADDRESS",
        &[
            "icon@2x.png",
            "@types/node",
            "git@github.com:a/b",
            "a @ b.com",
            "x@y",
            "foo@1.2.3",
            "@app.route",
        ],
    );
    assert_none(
        "DOMAIN_NAME",
        &[
            "self.value",
            "main.rs",
            "a.b.c",
            "e.g. this",
            "end.Start",
            "foo.bar()",
            "3.14",
            "lib.so",
        ],
    );
}

#[test]
fn no_date_age_title_or_zip() {
    assert_none(
        "DATE_TIME",
        &[
            "13/32/2024",
            "99.99.2024",
            "1.2.3",
            "ratio 3:2",
            "you may go",
            "march on",
            "2024",
            "John 3:16",
            "31/31/2020",
        ],
    );
    assert_none(
        "AGE",
        &[
            "300 years old",
            "the page 12",
            "average 12",
            "language 5",
            "1.5 years old",
        ],
    );
    assert_none(
        "TITLE",
        &["the dr said", "ms office", "5 Ms", "Dr.", "MR scan"],
    );
    assert_none(
        "ZIP_CODE",
        &["12345", "order 94105", "RGB 25500", "A1 B2 C3"],
    );
    assert_none(
        "STREET_ADDRESS",
        &[
            "5 dogs on the street",
            "12 Street",
            "10 Downing",
            "3 Way handshake",
        ],
    );
}

#[test]
fn no_address_of_a_currency() {
    assert_none(
        "CRYPTO_ADDRESS",
        &[
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeA",
        ],
    );
    assert_none(
        "VIN",
        &["1M8GDM9A1KP042788", "1M8GDM9AXKP04278", "IMGDM9AXKPO427880"],
    );
    assert_none("IMEI", &["IMEI 490154203237519", "490154203237518"]);
    assert_none(
        "BANK_ACCOUNT",
        &[
            "routing number 021000022",
            "swift language",
            "SWIFT PROGRAMS",
            "account 31926819",
        ],
    );
}
