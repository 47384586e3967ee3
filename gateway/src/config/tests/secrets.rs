//! Secrets come by reference and are never shown.

use std::fs;

use super::{env, read, toy};
use crate::config::load;

fn with_key(key: &str) -> String {
    format!("version: 1\nmodels:\n  a:\n    cluster: c\n    api_key: {key}\n")
}

#[test]
fn files() {
    let dir = tempfile::tempdir().unwrap();
    let (config, secret) = (dir.path().join("policy.yaml"), dir.path().join("key"));
    let read = || {
        load::<toy::Policy>(&config, &env, &mut |_| {
            commutator_plugins::problem::Problems::new()
        })
    };

    fs::write(&secret, "hunter2\n").unwrap();
    for reference in [format!("file:{}", secret.display()), "file:key".into()] {
        fs::write(&config, with_key(&reference)).unwrap();
        let loaded = read().map_err(|e| e.to_string()).unwrap();
        let key = loaded.value.models["a"].api_key.clone().unwrap();
        assert_eq!(key.expose(), "hunter2");
        assert_eq!(loaded.files, [config.clone(), secret.clone()]);
        assert!(!format!("{loaded:?}").contains("hunter2"));
    }
    fs::write(&config, with_key("${TOKEN}")).unwrap();
    assert!(!format!("{:?}", read().unwrap()).contains("s3cr3t"));
    fs::write(&config, with_key("file:key")).unwrap();

    for (content, message) in [
        (String::new(), "the file is empty"),
        ("\n".into(), "the file is empty"),
        ("x".repeat(70_000), "larger than 65536 bytes"),
    ] {
        fs::write(&secret, content).unwrap();
        assert!(read().unwrap_err().to_string().contains(message));
    }
    fs::remove_file(&secret).unwrap();
    let errors = read().unwrap_err().to_string();
    assert!(errors.contains("cannot read the file"), "{errors}");
    assert!(errors.contains("policy.yaml:5:14"), "{errors}");
}

#[test]
fn only_secrets_read_files() {
    let policy = read("version: 1\nautomatic: [\"file:/etc/passwd\"]\n")
        .unwrap()
        .value;
    assert_eq!(policy.automatic, ["file:/etc/passwd"]);
}

#[test]
fn literals_are_refused_and_masked() {
    for literal in [
        "hunter2hunter2",
        "\"hunter2hunter2\"",
        "'hunter2hunter2'",
        "|\n      hunter2hunter2\n",
        "${NO:-hunter2hunter2}",
        "\"$${hunter2hunter2}\"",
    ] {
        let errors = read(&with_key(literal)).unwrap_err();
        let shown = format!(
            "{errors} {errors:?} {}",
            serde_json::to_string(&errors).unwrap()
        );
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(
            shown.contains("use `${ENV_NAME}` or `file:PATH`"),
            "{shown}"
        );
        assert!(shown.contains("***") || literal.starts_with('|'), "{shown}");
    }
    insta::assert_snapshot!(read(&with_key("hunter2")).unwrap_err());
}

#[test]
fn literals_on_the_lines_of_other_mistakes_are_masked() {
    for text in [
        "version: 1\nmodels: {a: {cluster: 5, api_key: hunter2, api_kay: 3}}\n",
        // The key is not known to hold a secret: it goes by its name.
        "version: 1\nmodels: {a: {cluster: c, the_api_key: hunter2}}\n",
        "version: 1\nadmin-token: 'hunter2'\n",
        "version: 1\npassword: hunter2: x\n",
        "version: 1\nadmin_token: [hunter2\n  admin_token: hunter2",
    ] {
        let errors = read(text).unwrap_err().to_string();
        let last = text.lines().last().unwrap();
        assert!(
            !errors.contains("hunter2") || last.contains('['),
            "{errors}"
        );
    }
}

#[test]
fn values_of_variables_stay_out_of_messages() {
    let values = |_: &str| Some("hunter2".to_owned());
    for text in [
        "version: ${X}\n",
        "version: 1\nlistener:\n  address: ${X}\n  timeout: ${X}\n  max_body: a${X}\n",
        "version: 1\ndecisions:\n  - {name: a, models: [], rule: \"${X}\"}\n",
    ] {
        let errors = crate::config::parse::<toy::Policy>("x", text, &values).unwrap_err();
        assert!(!errors.to_string().contains("hunter2"), "{errors}");
    }
}

#[test]
fn empty_secrets_are_refused() {
    // Neither may an optional secret be switched off by a variable that is set to nothing.
    for reference in ["${EMPTY}", "${NO:-}", "\"${EMPTY}\""] {
        let errors = read(&with_key(reference)).unwrap_err().to_string();
        assert!(errors.contains("the secret is empty"), "{errors}");
    }
}
