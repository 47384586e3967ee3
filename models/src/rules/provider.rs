//! Secrets that say whose they are: prefix, alphabet, length and, where there is one, a checksum. The formats are those
//! of the providers' documentation and of the secret scanners that providers register them with.

use std::ops::Range;

use super::Kind;
use super::lexicon::Hit;
use super::page::{Page, Sink, is_word, run};
use super::secret::is_random;

/// The characters of a secret's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    Alnum,
    /// Letters, digits, `-`, `_`.
    Url,
    /// [`Alphabet::Url`] and `.`.
    Dotted,
    Hex,
    /// Capitals and digits.
    Upper,
    /// Standard base64.
    Base64,
    /// [`Alphabet::Url`] and `/`.
    Slashed,
}

/// One provider's secret.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) prefix: &'static str,
    alphabet: Alphabet,
    /// Length of the body after the prefix.
    length: (usize, usize),
    check: Check,
}

/// What else must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    None,
    /// The last six characters are the CRC-32 of the 30 before, in base 62 (GitHub, npm).
    Crc62,
    /// The body contains this.
    Contains(&'static str),
    /// A Telegram bot's number stands before.
    BotNumber,
    /// Characters of the body stand before the prefix as well (`hash.atlasv1.body`).
    Infix,
}

const fn p(prefix: &'static str, alphabet: Alphabet, least: usize, most: usize) -> Provider {
    with(prefix, alphabet, least, most, Check::None)
}

const fn with(
    prefix: &'static str,
    alphabet: Alphabet,
    least: usize,
    most: usize,
    check: Check,
) -> Provider {
    let length = (least, most);
    Provider {
        prefix,
        alphabet,
        length,
        check,
    }
}

use Alphabet::{Alnum, Base64, Dotted, Hex, Slashed, Upper, Url};

/// The table; more than sixty kinds of over forty providers.
pub(super) static PROVIDERS: &[Provider] = &[
    // Amazon Web Services: access key identifiers.
    p("AKIA", Upper, 16, 16),
    p("ASIA", Upper, 16, 16),
    p("ABIA", Upper, 16, 16),
    p("ACCA", Upper, 16, 16),
    // GitHub.
    with("ghp_", Alnum, 36, 36, Check::Crc62),
    with("gho_", Alnum, 36, 36, Check::Crc62),
    with("ghu_", Alnum, 36, 36, Check::Crc62),
    with("ghs_", Alnum, 36, 36, Check::Crc62),
    with("ghr_", Alnum, 36, 76, Check::Crc62),
    with("github_pat_", Url, 82, 82, Check::Contains("_")),
    // GitLab.
    p("glpat-", Dotted, 20, 310),
    p("gldt-", Url, 20, 64),
    p("glrt-", Dotted, 20, 64),
    p("glptt-", Hex, 40, 40),
    p("glcbt-", Url, 20, 64),
    // Slack.
    with("xoxb-", Url, 20, 200, Check::Contains("-")),
    with("xoxp-", Url, 20, 200, Check::Contains("-")),
    with("xoxa-", Url, 20, 200, Check::Contains("-")),
    with("xoxs-", Url, 20, 200, Check::Contains("-")),
    with("xapp-", Url, 30, 200, Check::Contains("-")),
    // Stripe.
    p("sk_live_", Alnum, 16, 120),
    p("sk_test_", Alnum, 16, 120),
    p("rk_live_", Alnum, 16, 120),
    p("rk_test_", Alnum, 16, 120),
    p("whsec_", Base64, 32, 64),
    // OpenAI; the middle of the older keys spells "OpenAI" in base64.
    p("sk-proj-", Url, 40, 200),
    p("sk-svcacct-", Url, 40, 200),
    p("sk-admin-", Url, 40, 200),
    p("sk-", Alnum, 32, 64),
    // Anthropic, OpenRouter.
    p("sk-ant-", Url, 40, 120),
    p("sk-or-v1-", Hex, 64, 64),
    // Google: API keys, OAuth client secrets and access tokens.
    p("AIza", Url, 35, 35),
    p("GOCSPX-", Url, 28, 28),
    p("ya29.", Dotted, 30, 512),
    // SendGrid, Twilio, Mailgun.
    with("SG.", Dotted, 66, 66, Check::Contains(".")),
    p("SK", Hex, 32, 32),
    p("key-", Hex, 32, 32),
    // Package registries.
    with("npm_", Alnum, 36, 36, Check::Crc62),
    p("pypi-AgE", Url, 50, 400),
    p("rubygems_", Hex, 48, 48),
    // DigitalOcean.
    p("dop_v1_", Hex, 64, 64),
    p("doo_v1_", Hex, 64, 64),
    p("dor_v1_", Hex, 64, 64),
    // Shopify, Square.
    p("shpat_", Hex, 32, 32),
    p("shpca_", Hex, 32, 32),
    p("shppa_", Hex, 32, 32),
    p("shpss_", Hex, 32, 32),
    p("sq0atp-", Url, 22, 22),
    p("sq0csp-", Url, 43, 43),
    // Hosts of models.
    p("hf_", Alnum, 34, 40),
    p("gsk_", Alnum, 48, 56),
    p("r8_", Alnum, 37, 40),
    p("pplx-", Alnum, 40, 60),
    p("xai-", Alnum, 70, 90),
    p("nvapi-", Url, 60, 90),
    p("fw_", Alnum, 22, 26),
    // Databricks, Telegram, Discord's and Slack's hooks.
    p("dapi", Hex, 32, 32),
    with(":AA", Url, 33, 33, Check::BotNumber),
    with(
        "discord.com/api/webhooks/",
        Slashed,
        70,
        100,
        Check::Contains("/"),
    ),
    with(
        "hooks.slack.com/services/T",
        Slashed,
        30,
        60,
        Check::Contains("/"),
    ),
    // Atlassian, Linear, Notion, Airtable, Figma, Postman.
    p("ATATT3xFfGF0", Base64, 60, 250),
    p("lin_api_", Alnum, 40, 40),
    p("ntn_", Alnum, 40, 60),
    p("figd_", Url, 40, 50),
    with("PMAK-", Url, 59, 59, Check::Contains("-")),
    // Grafana, New Relic, Sentry, Pulumi, Doppler, HashiCorp.
    with("glsa_", Url, 41, 41, Check::Contains("_")),
    p("glc_", Base64, 32, 400),
    p("NRAK-", Upper, 27, 27),
    p("sntryu_", Hex, 64, 64),
    p("sntrys_", Base64, 60, 250),
    p("pul-", Hex, 40, 40),
    p("dp.pt.", Alnum, 40, 44),
    p("hvs.", Url, 24, 200),
    p("hvb.", Url, 24, 250),
    with(".atlasv1.", Url, 60, 90, Check::Infix),
    // Netlify, Supabase, PlanetScale, Docker, Fly, Buildkite, CircleCI, Prefect, Typeform.
    p("nfp_", Alnum, 36, 44),
    p("sbp_", Hex, 40, 40),
    p("pscale_tkn_", Url, 32, 64),
    p("pscale_pw_", Url, 32, 64),
    p("dckr_pat_", Url, 27, 27),
    p("FlyV1 fm2_", Base64, 60, 800),
    p("bkua_", Hex, 40, 40),
    p("CCIPAT_", Url, 40, 80),
    p("pnu_", Alnum, 36, 36),
    p("tfp_", Url, 50, 64),
    // Alibaba, Tencent, Azure storage, age.
    p("LTAI", Alnum, 17, 24),
    p("AKID", Alnum, 32, 36),
    p("AccountKey=", Base64, 86, 88),
    p("AGE-SECRET-KEY-1", Upper, 58, 58),
];

impl Alphabet {
    fn has(self, b: u8) -> bool {
        match self {
            Alnum => b.is_ascii_alphanumeric(),
            Url => b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'),
            Dotted => b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'),
            Hex => b.is_ascii_digit() || matches!(b, b'a'..=b'f'),
            Upper => b.is_ascii_uppercase() || b.is_ascii_digit(),
            Base64 => b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_'),
            Slashed => b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/'),
        }
    }
}

/// The secret that begins with a provider's prefix.
pub(super) fn find(page: &Page<'_>, hit: &Hit, index: u16, out: &mut impl Sink) {
    let Some(provider) = PROVIDERS.get(usize::from(index)) else {
        return;
    };
    let exact = &page.text[hit.start..hit.end] == provider.prefix;
    let inside = provider.prefix.as_bytes()[0].is_ascii_alphanumeric()
        && (is_word(page.before(hit.start)) || page.before(hit.start) == b'-');
    if !exact || inside {
        return;
    }
    let (least, most) = provider.length;
    let rest = &page.bytes()[hit.end..];
    let mut length = run(rest, most + 1, |b| provider.alphabet.has(b));
    while length > 0 && matches!(rest[length - 1], b'.' | b'-') && length > least {
        length -= 1;
    }
    let next = rest.get(length).copied().unwrap_or(0);
    if !(least..=most).contains(&length) || is_word(next) {
        return;
    }
    let body = &rest[..length];
    let range = hit.start..hit.end + length;
    if let Some((range, score)) = judge(page, provider, range, body) {
        out.add(Kind::ApiKey, range, score);
    }
}

fn judge(
    page: &Page<'_>,
    provider: &Provider,
    range: Range<usize>,
    body: &[u8],
) -> Option<(Range<usize>, f32)> {
    let placeholder = super::secret::is_placeholder(&page.text[range.clone()]);
    let text = &page.text[range.clone()];
    match provider.check {
        Check::Crc62 if body.len() == 36 && crc62(body) => Some((range, 0.999)),
        _ if placeholder && !text.contains("EXAMPLE") || !is_random(body) => None,
        // A GitHub or npm token with a wrong checksum is nobody's; its owner may still have mistyped a live one.
        Check::Crc62 => Some((range, 0.8)),
        Check::None => Some((range, 0.97)),
        Check::Contains(part) => {
            let has = body.windows(part.len()).any(|w| w == part.as_bytes());
            has.then_some((range, 0.97))
        }
        Check::BotNumber => {
            let digits = before(page, range.start, 11, |b| b.is_ascii_digit());
            let start = range.start - digits;
            ((8..=10).contains(&digits) && !is_word(page.before(start)))
                .then_some((start..range.end, 0.97))
        }
        Check::Infix => {
            let length = before(page, range.start, 15, |b| b.is_ascii_alphanumeric());
            (length == 14).then_some((range.start - length..range.end, 0.97))
        }
    }
}

fn before(page: &Page<'_>, at: usize, most: usize, test: impl Fn(u8) -> bool) -> usize {
    page.bytes()[..at]
        .iter()
        .rev()
        .take(most)
        .take_while(|b| test(**b))
        .count()
}

/// "Behind GitHub's new authentication token formats", 2021: CRC-32 in base 62, padded to six characters.
fn crc62(body: &[u8]) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let (random, check) = body.split_at(30);
    let mut rest = crc32fast::hash(random);
    let mut expected = [b'0'; 6];
    for place in expected.iter_mut().rev() {
        *place = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    expected == check
}
