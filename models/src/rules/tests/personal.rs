//! Personal data that must be found, with its exact place. Numbers are published test numbers or made up with right
//! check digits.

use super::{assert_found, rules};

#[test]
fn social_security_numbers() {
    assert_found(&[
        ("US_SSN", "My SSN is 123-45-6789", "123-45-6789"),
        ("US_SSN", "ssn:219-09-9999.", "219-09-9999"),
        (
            "US_SSN",
            "His number, 078-05-1120, was printed",
            "078-05-1120",
        ),
        (
            "US_SSN",
            "social security number 123 45 6789 please",
            "123 45 6789",
        ),
        ("US_SSN", "SSN=123456789", "123456789"),
        ("US_SSN", "{\"ssn\": \"536-22-8765\"}", "536-22-8765"),
        ("US_SSN", "123-45-6789", "123-45-6789"),
    ]);
}

#[test]
fn cards() {
    assert_found(&[
        (
            "CREDIT_CARD",
            "pay with 4111 1111 1111 1111 12/26",
            "4111 1111 1111 1111",
        ),
        ("CREDIT_CARD", "4111111111111111", "4111111111111111"),
        (
            "CREDIT_CARD",
            "card 5500-0000-0000-0004, cvv 123",
            "5500-0000-0000-0004",
        ),
        ("CREDIT_CARD", "amex 3782 822463 10005", "3782 822463 10005"),
        ("CREDIT_CARD", "378282246310005", "378282246310005"),
        (
            "CREDIT_CARD",
            "diners card 30569309025904",
            "30569309025904",
        ),
        ("CREDIT_CARD", "JCB 3530111333300000.", "3530111333300000"),
        ("CREDIT_CARD", "x,6011111111111117,y", "6011111111111117"),
        ("CREDIT_CARD", "2223003122003222", "2223003122003222"),
    ]);
}

#[test]
fn ibans_end_where_their_country_says() {
    assert_found(&[
        (
            "IBAN_CODE",
            "IBAN DE89 3704 0044 0532 0130 00 bitte",
            "DE89 3704 0044 0532 0130 00",
        ),
        (
            "IBAN_CODE",
            "GB82WEST12345698765432",
            "GB82WEST12345698765432",
        ),
        (
            "IBAN_CODE",
            "to FR14 2004 1010 0505 0001 3M02 606 today",
            "FR14 2004 1010 0505 0001 3M02 606",
        ),
        (
            "IBAN_CODE",
            "NL91 ABNA 0417 1643 00 and more",
            "NL91 ABNA 0417 1643 00",
        ),
        ("IBAN_CODE", "BE68-5390-0754-7034.", "BE68-5390-0754-7034"),
        ("IBAN_CODE", "NO93 8601 1117 947 kr", "NO93 8601 1117 947"),
        (
            "IBAN_CODE",
            "ch93 0076 2011 6238 5295 7",
            "ch93 0076 2011 6238 5295 7",
        ),
    ]);
}

#[test]
fn machines() {
    assert_found(&[
        ("IP_ADDRESS", "ping 192.168.1.17 now", "192.168.1.17"),
        ("IP_ADDRESS", "from 8.8.8.8, server 1.1.1.1", "1.1.1.1"),
        ("IP_ADDRESS", "route 172.16.254.0/24", "172.16.254.0"),
        (
            "IP_ADDRESS",
            "[2001:db8:85a3::8a2e:370:7334]:443",
            "2001:db8:85a3::8a2e:370:7334",
        ),
        (
            "IP_ADDRESS",
            "at fe80::1ff:fe23:4567:890a.",
            "fe80::1ff:fe23:4567:890a",
        ),
        ("IP_ADDRESS", "listen on ::1 only", "::1"),
        (
            "MAC_ADDRESS",
            "ether 00:1b:44:11:3A:B7 up",
            "00:1b:44:11:3A:B7",
        ),
        ("MAC_ADDRESS", "00-1B-44-11-3A-B7", "00-1B-44-11-3A-B7"),
    ]);
}

#[test]
fn telephones() {
    assert_found(&[
        (
            "PHONE_NUMBER",
            "call +1-541-754-3010 today",
            "+1-541-754-3010",
        ),
        ("PHONE_NUMBER", "(541) 754-3010", "(541) 754-3010"),
        ("PHONE_NUMBER", "541.754.3010x123", "541.754.3010x123"),
        ("PHONE_NUMBER", "+49 89 636-48018", "+49 89 636-48018"),
        ("PHONE_NUMBER", "Tel. 089/63648018", "089/63648018"),
        ("PHONE_NUMBER", "+14155552671", "+14155552671"),
        ("PHONE_NUMBER", "001-541-754-3010", "001-541-754-3010"),
        (
            "PHONE_NUMBER",
            "Appelez le 01 23 45 67 89.",
            "01 23 45 67 89",
        ),
        (
            "PHONE_NUMBER",
            "or 0161 496 0000 in England",
            "0161 496 0000",
        ),
        ("PHONE_NUMBER", "+44 (0)20 7946 0018", "+44 (0)20 7946 0018"),
        ("PHONE_NUMBER", "my phone number is 5550123", "5550123"),
        ("PHONE_NUMBER", "WhatsApp: 600 123 456", "600 123 456"),
    ]);
}

#[test]
fn mail_and_domains() {
    assert_found(&[
        (
            "EMAIL_ADDRESS",
            "Write to jane.doe+x@example.co.uk.",
            "jane.doe+x@example.co.uk",
        ),
        (
            "EMAIL_ADDRESS",
            "<müller@bücher.example>",
            "müller@bücher.example",
        ),
        (
            "EMAIL_ADDRESS",
            "\"john smith\"@example.org",
            "\"john smith\"@example.org",
        ),
        ("EMAIL_ADDRESS", "mailto:a_b@x-y.io?subject=1", "a_b@x-y.io"),
        (
            "EMAIL_ADDRESS",
            "email=bob@example.com&x=1",
            "bob@example.com",
        ),
        (
            "DOMAIN_NAME",
            "see https://docs.example.org/a?b=c",
            "docs.example.org",
        ),
        (
            "DOMAIN_NAME",
            "visit www.example.museum now",
            "www.example.museum",
        ),
        (
            "DOMAIN_NAME",
            "I bought shop-example.com.",
            "shop-example.com",
        ),
    ]);
}

#[test]
fn dates_and_times() {
    assert_found(&[
        ("DATE_TIME", "on 2024-03-12 we met", "2024-03-12"),
        (
            "DATE_TIME",
            "at 2024-03-12T10:11:12Z.",
            "2024-03-12T10:11:12Z",
        ),
        (
            "DATE_TIME",
            "at 2024-03-12 10:11:12,",
            "2024-03-12 10:11:12",
        ),
        ("DATE_TIME", "12/31/1999", "12/31/1999"),
        ("DATE_TIME", "am 24.12.2023 um", "24.12.2023"),
        ("DATE_TIME", "March 12, 2024 was", "March 12, 2024"),
        ("DATE_TIME", "the 12th of March 2024.", "12th of March 2024"),
        ("DATE_TIME", "am 3. Oktober 1990", "3. Oktober 1990"),
        ("DATE_TIME", "le 14 juillet 1789", "14 juillet 1789"),
        ("DATE_TIME", "el 5 de mayo de 1862", "5 de mayo de 1862"),
        ("DATE_TIME", "il 2 giugno 1946", "2 giugno 1946"),
        (
            "DATE_TIME",
            "em 7 de setembro de 1822",
            "7 de setembro de 1822",
        ),
        ("DATE_TIME", "in January 2025", "January 2025"),
        ("DATE_TIME", "come at 9:30 am", "9:30 am"),
    ]);
}

#[test]
fn ages_titles_addresses() {
    assert_found(&[
        ("AGE", "I am 34 years old", "34"),
        ("AGE", "a 7-year-old girl", "7"),
        ("AGE", "Anna, aged 81, said", "81"),
        ("AGE", "Age: 45", "45"),
        ("AGE", "sie ist 12 Jahre alt", "12"),
        ("TITLE", "Dear Mr. Smith", "Mr."),
        ("TITLE", "ask Dr Jones", "Dr"),
        ("TITLE", "Sehr geehrte Frau Müller", "Frau"),
        (
            "STREET_ADDRESS",
            "I live at 221B Baker Street, London",
            "221B Baker Street",
        ),
        (
            "STREET_ADDRESS",
            "1600 Pennsylvania Avenue NW",
            "1600 Pennsylvania Avenue",
        ),
        (
            "STREET_ADDRESS",
            "Send to 12 Oak Tree Ln, Apt 4B today",
            "12 Oak Tree Ln, Apt 4B",
        ),
        (
            "STREET_ADDRESS",
            "wohnt Hauptstraße 12a in",
            "Hauptstraße 12a",
        ),
        (
            "STREET_ADDRESS",
            "au 12 rue de la Paix à Paris",
            "12 rue de la Paix",
        ),
        ("STREET_ADDRESS", "P.O. Box 1234", "P.O. Box 1234"),
        ("ZIP_CODE", "Springfield, CA 94105", "94105"),
        ("ZIP_CODE", "zip code: 12345-6789", "12345-6789"),
        ("ZIP_CODE", "London SW1A 1AA", "SW1A 1AA"),
        ("ZIP_CODE", "Ottawa K1A 0B1", "K1A 0B1"),
        ("ZIP_CODE", "12 Oak Lane, Springfield 12345", "12345"),
        (
            "US_DRIVER_LICENSE",
            "driver's license number D1234567",
            "D1234567",
        ),
        (
            "US_DRIVER_LICENSE",
            "My DL is S123-4567-8901",
            "S123-4567-8901",
        ),
        ("PASSPORT", "passport no. X12345678", "X12345678"),
        ("PASSPORT", "Passport: 123456789", "123456789"),
        ("PASSPORT", "Reisepass C01X00T47", "C01X00T47"),
    ]);
}

#[test]
fn machine_readable_zones() {
    // The specimens of ICAO 9303 parts 4 and 5.
    let passport = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10";
    let card = "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<";
    assert_found(&[
        ("PASSPORT", passport, passport),
        ("NATIONAL_ID", card, card),
    ]);
    let spoilt = passport.replace("C36UTO", "C37UTO");
    assert!(rules().find(&spoilt).iter().all(|s| s.label != "PASSPORT"));
}

#[test]
fn accounts_vehicles_devices() {
    assert_found(&[
        ("BANK_ACCOUNT", "routing number 021000021", "021000021"),
        ("BANK_ACCOUNT", "SWIFT code: DEUTDEFF500", "DEUTDEFF500"),
        ("BANK_ACCOUNT", "sort code 20-00-00", "20-00-00"),
        ("BANK_ACCOUNT", "my bank account is 31926819", "31926819"),
        ("VIN", "VIN 1M8GDM9AXKP042788", "1M8GDM9AXKP042788"),
        (
            "VIN",
            "Fahrgestellnummer WVWZZZ1JZ3W386752",
            "WVWZZZ1JZ3W386752",
        ),
        ("IMEI", "IMEI: 490154203237518", "490154203237518"),
        (
            "CRYPTO_ADDRESS",
            "to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        ),
        (
            "CRYPTO_ADDRESS",
            "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
            "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        ),
        (
            "CRYPTO_ADDRESS",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        ),
        (
            "CRYPTO_ADDRESS",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        ),
    ]);
}

/// A context, a number with right check digits.
pub(super) const NATIONAL: &[(&str, &str)] = &[
    ("Steuer-ID", "86095742719"),
    ("Personalausweis", "L01X00T471"),
    ("Rentenversicherungsnummer", "12150839M001"),
    ("SVNR", "1237 010180"),
    ("AHV", "756.1234.5678.97"),
    ("NIR", "1 85 05 78 006 084 91"),
    ("codice fiscale", "RSSMRA85T10A562S"),
    ("DNI", "12345678Z"),
    ("NIE", "X1234567L"),
    ("contribuinte", "123456789"),
    ("PESEL", "44051401359"),
    ("BSN", "111222333"),
    ("rijksregisternummer", "85.07.30-033.28"),
    ("registre national", "01.02.03-123.45"),
    ("personnummer", "811218-9876"),
    ("henkilötunnus", "131052-308T"),
    ("fødselsnummer", "01019026546"),
    ("rodné číslo", "855712/1001"),
    ("CNP", "1850417123454"),
    ("EGN", "7523169263"),
    ("OIB", "69471198669"),
    ("AFM", "090000045"),
    ("PPS number", "1234567T"),
    ("isikukood", "37605030299"),
    ("NHS number", "943 476 5919"),
    ("TCKN", "10000000146"),
    ("SNILS", "112-233-445 95"),
    ("INN", "500100732259"),
    ("resident identity", "11010519491231002X"),
    ("Aadhaar", "2341 2341 2346"),
    ("RRN", "900101-1234568"),
    ("マイナンバー", "123456789018"),
    ("NRIC", "S1234567D"),
    ("FIN", "G1234567X"),
    ("身分證", "A123456789"),
    ("Thai ID", "1-1017-00123-45-6"),
    ("Teudat Zehut", "123456782"),
    ("South African ID", "8001015009087"),
    ("tax file number", "123 456 782"),
    ("Medicare", "2123 45670 1"),
    ("SIN", "046 454 286"),
    ("CPF", "123.456.789-09"),
    ("CNPJ", "11.222.333/0001-81"),
    ("CUIT", "20-12345678-6"),
    ("RUT", "12.345.678-5"),
    ("cédula", "1710034065"),
    ("CURP", "GOMC900101HDFRRL07"),
];

#[test]
fn national_numbers_of_forty_countries() {
    let texts: Vec<String> = NATIONAL
        .iter()
        .map(|(words, id)| format!("{words}: {id}, thanks"))
        .collect();
    let cases: Vec<(&str, &str, &str)> = NATIONAL
        .iter()
        .zip(&texts)
        .map(|((_, id), text)| ("NATIONAL_ID", text.as_str(), *id))
        .collect();
    assert_found(&cases);
    assert_found(&[
        ("NATIONAL_ID", "CPR 010203-1234", "010203-1234"),
        ("NATIONAL_ID", "NI number AB 12 34 56 C", "AB 12 34 56 C"),
        ("NATIONAL_ID", "PAN card ABCPE1234F", "ABCPE1234F"),
        ("NATIONAL_ID", "MyKad 900101-14-1234", "900101-14-1234"),
        ("NATIONAL_ID", "ITIN 912-70-1234", "912-70-1234"),
        ("NATIONAL_ID", "key 123.456.789-09 alone", "123.456.789-09"),
    ]);
}
