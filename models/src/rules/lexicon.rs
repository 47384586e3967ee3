//! The words that point at findings: one automaton over all context words, month names and beginnings of secrets.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::{age, date, national, provider, title};

/// A group of context words that mean the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words(pub(super) u8);

impl Words {
    pub(super) const CARD: Words = Words(0);
    pub(super) const SSN: Words = Words(1);
    pub(super) const PHONE: Words = Words(2);
    pub(super) const LICENSE: Words = Words(3);
    pub(super) const PASSPORT: Words = Words(4);
    pub(super) const ROUTING: Words = Words(5);
    pub(super) const SORT_CODE: Words = Words(6);
    pub(super) const ACCOUNT: Words = Words(7);
    pub(super) const BIC: Words = Words(8);
    pub(super) const IMEI: Words = Words(9);
    pub(super) const VIN: Words = Words(10);
    pub(super) const ZIP: Words = Words(11);
    pub(super) const IP: Words = Words(12);
    pub(super) const VERSION: Words = Words(13);
    pub(super) const CRYPTO: Words = Words(14);
    pub(super) const CLOCK: Words = Words(15);
    /// Any number that stands for a citizen, in whatever country.
    pub(super) const CITIZEN: Words = Words(16);
    /// Numbers of things.
    pub(super) const THING: Words = Words(17);
    /// The words of the first national number; the others follow.
    pub(super) const NATIONAL: u8 = 24;
}

/// What a word of the lexicon means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cue {
    /// A context word.
    Context(Words),
    /// The name of a month, 1 to 12.
    Month(u8),
    /// What follows or precedes an age.
    Age(age::Form),
    /// A form of address.
    Title,
    /// A street's kind, of languages that write it before or after the name.
    Street(super::address::Order),
    /// The beginning of a provider's secret; index into the table.
    Provider(u16),
    /// The name of something secret that may be assigned.
    Assigned(super::assign::Named),
    /// `-----BEGIN `.
    PemBegin,
    /// `-----END `.
    PemEnd,
    /// `eyJ`: the base64 of `{"`.
    Jwt,
    /// An HTTP authentication scheme.
    Bearer,
    /// The HTTP scheme that carries a password in base64.
    Basic,
    /// `://`.
    Url,
    /// `<<` of a machine-readable zone.
    Mrz,
}

/// A word of the lexicon in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) cue: Cue,
}

/// How an entry must stand in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// As a word of its own.
    Whole,
    /// Anywhere.
    Any,
}

struct Lexicon {
    automaton: AhoCorasick,
    entries: Vec<(Cue, Edge)>,
}

const CONTEXT: &[(Words, &[&str])] = &[
    (
        Words::CARD,
        &[
            "card",
            "credit",
            "debit",
            "visa",
            "mastercard",
            "amex",
            "american express",
            "cc",
            "ccn",
            "pan",
            "kreditkarte",
            "carte",
            "tarjeta",
            "carta",
            "cartao",
            "cartão",
            "discover",
            "jcb",
            "maestro",
        ],
    ),
    (
        Words::SSN,
        &[
            "ssn",
            "ssns",
            "ssn#",
            "social security",
            "social-security",
            "social_security",
            "socialsecurity",
            "social sec",
            "soc sec",
            "ss#",
            "ss number",
            "ss no",
            "seguro social",
            "social_security_number",
            "ssn_number",
            "last four of social",
            "my social",
        ],
    ),
    (
        Words::PHONE,
        &[
            "phone",
            "phones",
            "telephone",
            "tel",
            "tel.",
            "tel:",
            "mobile",
            "cell",
            "cellphone",
            "fax",
            "whatsapp",
            "sms",
            "hotline",
            "phone number",
            "phone_number",
            "phonenumber",
            "contact number",
            "call me",
            "call me at",
            "call us",
            "call him",
            "call her",
            "call them",
            "reach me",
            "reach us",
            "reach him",
            "reach her",
            "dial",
            "telefon",
            "telefonnummer",
            "handy",
            "handynummer",
            "mobil",
            "mobilnummer",
            "rufnummer",
            "téléphone",
            "portable",
            "teléfono",
            "móvil",
            "celular",
            "telefono",
            "cellulare",
            "telefone",
            "telemóvel",
            "text me",
            "ring me",
            "voicemail",
            "电话",
            "手机",
            "電話",
            "携帯",
            "телефон",
        ],
    ),
    (
        Words::LICENSE,
        &[
            "driver's license",
            "drivers license",
            "driver license",
            "driver's licence",
            "driver’s license",
            "drivers licence",
            "driving license",
            "driving licence",
            "driver_license",
            "drivers_license",
            "driverslicense",
            "license number",
            "licence number",
            "license no",
            "license #",
            "dl:",
            "my dl",
            "dl no",
            "dl#",
            "dln",
            "dl number",
            "license id",
            "license is",
        ],
    ),
    (
        Words::PASSPORT,
        &[
            "passport",
            "passport_number",
            "passportnumber",
            "passport_no",
            "passportno",
            "passeport",
            "reisepass",
            "reisepassnummer",
            "passnummer",
            "pasaporte",
            "passaporto",
            "passaporte",
            "paszport",
            "paspoort",
            "护照",
            "旅券",
            "паспорт",
        ],
    ),
    (
        Words::ROUTING,
        &[
            "routing",
            "routing number",
            "routing_number",
            "routingnumber",
            "aba",
            "aba number",
            "rtn",
            "routing no",
            "transit number",
        ],
    ),
    (
        Words::SORT_CODE,
        &["sort code", "sortcode", "sort_code", "sort-code"],
    ),
    (
        Words::ACCOUNT,
        &[
            "bank account",
            "bank_account",
            "bankaccount",
            "bank account number",
            "checking account",
            "savings account",
            "bank acct",
            "account and routing",
            "routing and account",
            "kontonummer",
            "numéro de compte",
            "cuenta bancaria",
            "conto corrente",
            "conta bancária",
            "bank a/c",
        ],
    ),
    (
        Words::BIC,
        &[
            "bic",
            "swift",
            "swift code",
            "swift/bic",
            "bic/swift",
            "bic code",
            "swift_code",
            "swiftcode",
        ],
    ),
    (
        Words::IMEI,
        &["imei", "imei1", "imei2", "imeisv", "imei_number"],
    ),
    (
        Words::VIN,
        &[
            "vin",
            "vin#",
            "vehicle identification",
            "chassis",
            "fahrgestellnummer",
            "vehicle id",
            "telaio",
            "bastidor",
        ],
    ),
    (
        Words::ZIP,
        &[
            "zip",
            "zipcode",
            "zip code",
            "zip_code",
            "zip-code",
            "postal code",
            "postal_code",
            "postalcode",
            "postcode",
            "post code",
            "plz",
            "postleitzahl",
            "code postal",
            "código postal",
            "codigo postal",
            "cap",
            "cep",
        ],
    ),
    (
        Words::IP,
        &[
            "ip",
            "ipv4",
            "ip address",
            "ip_address",
            "ip-address",
            "ip addresses",
            "ips",
            "host",
            "server",
            "ping",
            "gateway",
            "dns",
            "subnet",
            "nameserver",
            "ssh",
            "adresse ip",
            "ip-adresse",
            "remote_addr",
            "client_ip",
            "src",
            "dst",
            "listen",
            "bind",
        ],
    ),
    (
        Words::VERSION,
        &[
            "version",
            "versions",
            "ver",
            "v",
            "release",
            "releases",
            "build",
            "section",
            "sections",
            "chapter",
            "clause",
            "paragraph",
            "firmware",
            "upgrade",
            "upgraded",
            "driver",
            "update",
            "rev",
            "revision",
            "article",
            "abschnitt",
            "kapitel",
            "oid",
            "patch",
            "appendix",
            "§",
        ],
    ),
    (
        Words::THING,
        &[
            "serial",
            "serial number",
            "serial no",
            "s/n",
            "sn",
            "part",
            "part number",
            "part no",
            "p/n",
            "item",
            "item number",
            "item no",
            "sku",
            "model",
            "model number",
            "order",
            "order number",
            "order no",
            "invoice",
            "invoice number",
            "tracking",
            "tracking number",
            "ticket",
            "article number",
            "seriennummer",
            "artikelnummer",
            "bestellnummer",
            "rechnungsnummer",
            "teilenummer",
            "product number",
            "product code",
            "catalog number",
            "catalogue number",
            "batch number",
            "lot number",
            "numéro de série",
            "numéro de commande",
            "número de serie",
            "número de pedido",
            "numero di serie",
            "codice articolo",
            "codice prodotto",
        ],
    ),
    (
        Words::CRYPTO,
        &[
            "bitcoin", "btc", "ethereum", "eth", "wallet", "crypto", "litecoin", "ltc", "dogecoin",
            "tron", "usdt", "address", "metamask", "erc20", "erc-20",
        ],
    ),
    (
        Words::CLOCK,
        &[
            "at", "until", "till", "from", "by", "before", "after", "since", "around", "um", "bis",
            "ab", "à", "a las", "alle", "às", "time", "clock", "starts", "ends", "between", "kl",
        ],
    ),
    (
        Words::CITIZEN,
        &[
            "national id",
            "national identification",
            "national identity",
            "national_id",
            "nationalid",
            "identity number",
            "identity card",
            "identity document",
            "citizen id",
            "citizen number",
            "citizenship number",
            "personal identification number",
            "personal identity",
            "id card",
            "tax id",
            "tax_id",
            "taxpayer",
            "taxpayer id",
            "tax identification",
            "tax number",
            "insurance number",
            "personal number",
            "personalnummer",
            "personal code",
        ],
    ),
];

const MARKS: &[(&str, Cue, Edge)] = &[
    ("-----BEGIN ", Cue::PemBegin, Edge::Any),
    ("-----END ", Cue::PemEnd, Edge::Any),
    ("eyJ", Cue::Jwt, Edge::Any),
    ("bearer", Cue::Bearer, Edge::Whole),
    ("basic", Cue::Basic, Edge::Whole),
    ("://", Cue::Url, Edge::Any),
    ("<<", Cue::Mrz, Edge::Any),
];

static LEXICON: LazyLock<Option<Lexicon>> = LazyLock::new(build);

fn build() -> Option<Lexicon> {
    let mut patterns: Vec<&[u8]> = Vec::new();
    let mut entries = Vec::new();
    let mut add = |word: &'static str, cue: Cue, edge: Edge| {
        patterns.push(word.as_bytes());
        entries.push((cue, edge));
    };
    for (group, words) in CONTEXT {
        for word in *words {
            add(word, Cue::Context(*group), Edge::Whole);
        }
    }
    for (group, words) in national::words() {
        for word in words {
            add(word, Cue::Context(group), Edge::Whole);
        }
    }
    for (word, cue, edge) in MARKS {
        add(word, *cue, *edge);
    }
    for (word, month) in date::MONTHS {
        add(word, Cue::Month(*month), Edge::Whole);
    }
    for (word, form) in age::WORDS {
        add(word, Cue::Age(*form), Edge::Any);
    }
    for word in title::WORDS {
        add(word, Cue::Title, Edge::Whole);
    }
    for (word, order) in super::address::STREETS {
        add(word, Cue::Street(*order), Edge::Any);
    }
    for (index, provider) in provider::PROVIDERS.iter().enumerate() {
        add(provider.prefix, Cue::Provider(index as u16), Edge::Any);
    }
    for (word, named) in super::assign::NAMES {
        add(word, Cue::Assigned(*named), Edge::Any);
    }
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::DFA))
        .build(patterns)
        .ok()?;
    Some(Lexicon { automaton, entries })
}

/// The words of the lexicon in `text`, in order of their end.
pub(super) fn hits(text: &str) -> Vec<Hit> {
    let Some(lexicon) = LEXICON.as_ref() else {
        return Vec::new();
    };
    let bytes = text.as_bytes();
    let mut hits = Vec::new();
    for found in lexicon.automaton.find_overlapping_iter(bytes) {
        let (cue, edge) = lexicon.entries[found.pattern().as_usize()];
        if edge == Edge::Any || is_whole(bytes, found.start(), found.end()) {
            hits.push(Hit {
                start: found.start(),
                end: found.end(),
                cue,
            });
        }
    }
    hits
}

/// Whether neither end of a word continues in the text. A word that itself begins or ends with a mark needs no
/// boundary there; CJK words stand between other characters without one.
fn is_whole(bytes: &[u8], start: usize, end: usize) -> bool {
    let continues = |at: Option<usize>| {
        at.and_then(|i| bytes.get(i))
            .is_some_and(|b| b.is_ascii_alphanumeric())
    };
    let first = bytes[start].is_ascii_alphanumeric();
    let last = bytes[end - 1].is_ascii_alphanumeric();
    !(first && continues(start.checked_sub(1)) || last && continues(Some(end)))
}

/// The automaton exists: what a broken table would otherwise silently switch off.
#[cfg(test)]
pub(super) fn is_built() -> bool {
    LEXICON.is_some()
}
