//! Secrets. Keys are put together here, so that no scanner takes this file for a leak.

use super::{assert_none, rules};

const ALNUM: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const HEX: &str = "0123456789abcdef";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A body of random characters, the same in every run.
fn body(alphabet: &str, length: usize) -> String {
    let mut state = 88_172_645_463_325_252u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            alphabet.as_bytes()[(state % alphabet.len() as u64) as usize] as char
        })
        .collect()
}

fn assert_piece(label: &str, text: &str, piece: &str) {
    let start = text.find(piece).unwrap();
    let spans = rules().find(text);
    assert!(
        spans
            .iter()
            .any(|s| s.label == label && s.range == (start..start + piece.len())),
        "{label} {piece:?} in {text:?}: {spans:?}"
    );
}

#[test]
fn keys_of_providers() {
    let keys = [
        ("AKIA", UPPER, 16),
        ("ASIA", UPPER, 16),
        ("glpat-", ALNUM, 20),
        ("sk_live_", ALNUM, 24),
        ("rk_test_", ALNUM, 24),
        ("sk-proj-", ALNUM, 64),
        ("sk-", ALNUM, 48),
        ("sk-ant-api03-", ALNUM, 95),
        ("AIza", ALNUM, 35),
        ("SK", HEX, 32),
        ("GOCSPX-", ALNUM, 28),
        ("ya29.", ALNUM, 60),
        ("key-", HEX, 32),
        ("pypi-AgEIcHlwaS5vcmc", ALNUM, 60),
        ("rubygems_", HEX, 48),
        ("dop_v1_", HEX, 64),
        ("shpat_", HEX, 32),
        ("sq0csp-", ALNUM, 43),
        ("hf_", ALNUM, 34),
        ("gsk_", ALNUM, 52),
        ("r8_", ALNUM, 37),
        ("pplx-", ALNUM, 48),
        ("xai-", ALNUM, 80),
        ("nvapi-", ALNUM, 64),
        ("dapi", HEX, 32),
        ("lin_api_", ALNUM, 40),
        ("ntn_", ALNUM, 46),
        ("figd_", ALNUM, 40),
        ("NRAK-", UPPER, 27),
        ("sntryu_", HEX, 64),
        ("pul-", HEX, 40),
        ("hvs.", ALNUM, 24),
        ("nfp_", ALNUM, 40),
        ("sbp_", HEX, 40),
        ("pscale_tkn_", ALNUM, 43),
        ("dckr_pat_", ALNUM, 27),
        ("bkua_", HEX, 40),
        ("LTAI", ALNUM, 20),
        ("whsec_", ALNUM, 32),
        ("xoxb-123456789012-", ALNUM, 24),
        ("ATATT3xFfGF0", ALNUM, 64),
        ("AGE-SECRET-KEY-1", UPPER, 58),
    ];
    for (prefix, alphabet, length) in keys {
        let key = format!("{prefix}{}", body(alphabet, length));
        assert_piece("API_KEY", &format!("use {key}, please"), &key);
        assert_piece("API_KEY", &format!("KEY={key}\n"), &key);
        let glued = format!("x{key}");
        assert!(
            rules().find(&glued).iter().all(|s| s.label != "API_KEY"),
            "{glued}"
        );
        let empty = format!("{prefix}{}", "x".repeat(length));
        assert!(
            rules().find(&empty).iter().all(|s| s.label != "API_KEY"),
            "{empty}"
        );
    }
}

#[test]
fn keys_of_unusual_shape() {
    let bot = format!("123456789:AA{}", body(ALNUM, 33));
    let grid = format!("SG.{}.{}", body(ALNUM, 22), body(ALNUM, 43));
    let postman = format!("PMAK-{}-{}", body(HEX, 24), body(HEX, 34));
    let grafana = format!("glsa_{}_{}", body(ALNUM, 32), body(HEX, 8));
    let terraform = format!("{}.atlasv1.{}", body(ALNUM, 14), body(ALNUM, 67));
    let github = format!("github_pat_{}_{}", body(ALNUM, 22), body(ALNUM, 59));
    for key in [bot, grid, postman, grafana, terraform, github] {
        assert_piece("API_KEY", &format!("the key {key} is mine"), &key);
    }
}

#[test]
fn the_checksum_of_a_github_token_raises_its_score() {
    let good = ["ghp_", "y9Pf34qY6Nb3wWD25RQ4F5ZR3qa7yE", "2MEmB3"].concat();
    let bad = good.replace("MEmB3", "MEmB4");
    let score = |text: &str| rules().find(text)[0].score;
    assert!(score(&good) > 0.99 && score(&bad) < 0.85);
    assert!(rules().find(&good[..good.len() - 1]).is_empty());
}

#[test]
fn private_keys_are_found_whole() {
    for name in [
        "RSA PRIVATE KEY",
        "PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "EC PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ] {
        let block = format!(
            "-----BEGIN {name}-----\n{}\n{}=\n-----END {name}-----",
            body(ALNUM, 64),
            body(ALNUM, 40)
        );
        assert_piece("PRIVATE_KEY", &format!("my key:\n{block}\nthanks"), &block);
    }
    let cut = format!("-----BEGIN PRIVATE KEY-----\n{}", body(ALNUM, 64));
    assert_piece("PRIVATE_KEY", &format!("{cut} ..."), &cut);
    assert_none(
        "PRIVATE_KEY",
        &[
            "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
            "-----BEGIN CERTIFICATE-----\nMIIBszCCARygAwIBAgIJAKX3Zf0d0o7tMA0GCSqGSIb3DQEBBQUAMB\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
            "a PEM file starts with -----BEGIN PRIVATE KEY-----",
        ],
    );
}

#[test]
fn web_tokens() {
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlc2lnbmF0dXJl";
    assert_piece("JWT", &format!("Authorization: Bearer {token}"), token);
    assert_piece("JWT", &format!("token={token}&x"), token);
    assert_none(
        "JWT",
        &[
            "eyJhbGciOiJIUzI1NiJ9",
            "eyJmb28iOiJiYXIifQ.eyJzdWIiOiIxIn0.abc",
            "eyJ.eyJ.eyJ",
            "xeyJhbGciOiJIUzI1NiJ9.e30.a",
        ],
    );
    let bearer = "9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c";
    assert_piece(
        "ACCESS_TOKEN",
        &format!("Authorization: Bearer {bearer}"),
        bearer,
    );
    assert_none(
        "ACCESS_TOKEN",
        &[
            "the bearer of bad news",
            "Bearer <your-token-here-0123456789>",
            "bearer bonds1",
        ],
    );
}

#[test]
fn passwords() {
    for (text, piece) in [
        ("password = \"hunter2!\"", "hunter2!"),
        ("DB_PASSWORD=s3cr3tPassw0rd", "s3cr3tPassw0rd"),
        ("{\"password\": \"Tr0ub4dor&3\"}", "Tr0ub4dor&3"),
        ("my password is hunter22, ok", "hunter22"),
        ("postgres://app:S3cretPw9@db.internal:5432/x", "S3cretPw9"),
        ("Server=db;Uid=sa;Pwd=Qwerty!234;", "Qwerty!234"),
        ("passwd: 'correct-h0rse!'", "correct-h0rse!"),
        (
            "Authorization: Basic dXNlcjpwYXNzd29yZA==",
            "dXNlcjpwYXNzd29yZA==",
        ),
        ("Das Passwort ist Geheim123.", "Geheim123"),
    ] {
        assert_piece("PASSWORD", text, piece);
    }
    assert_none(
        "PASSWORD",
        &[
            "password = get_password()",
            "password: string",
            "password=${DB_PASS}",
            "the password is required",
            "password = os.environ['X']",
            "if password == 'abc123':",
            "<input type=\"password\" name=\"p1\">",
            "password: <your password>",
            "PASSWORD=changeme1",
            "password: ********",
            "https://user@example.org/",
            "reset your password: click here",
            "password = user.password1",
            "Basic understanding",
            "http://a:80/b@c",
        ],
    );
}

#[test]
fn generic_secrets() {
    let value = body(ALNUM, 40);
    for name in [
        "client_secret",
        "API_KEY",
        "apiKey",
        "auth_token",
        "X-Api-Key",
        "aws_secret_access_key",
    ] {
        assert_piece("SECRET", &format!("{name}: \"{value}\""), &value);
        assert_piece("SECRET", &format!("export {name}={value}"), &value);
    }
    assert_none(
        "SECRET",
        &[
            "max_tokens=4096",
            "token = tokenizer.decode(ids)",
            "secret: my-very-long-secret-name",
            "api_key = None",
            "api_key=YOUR_API_KEY_0123456789",
            "the secret is out",
            "token: aaaaaaaaaaaaaaaaaaaaaaaa1",
        ],
    );
}
