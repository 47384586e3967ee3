use std::path::Path;

use super::*;

fn options(variables: &[(&str, &str)]) -> HubOptions {
    HubOptions::from_env(&|name| {
        variables
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn without_an_environment_there_are_defaults() {
    let options = options(&[("HOME", "/home/a")]);
    assert_eq!(options.endpoint, "https://huggingface.co");
    assert_eq!(options.cache, Path::new("/home/a/.cache/huggingface/hub"));
    assert_eq!(options.token, None);
    assert!(!options.offline);
    assert_eq!(options.bundle, None);
}

#[test]
fn the_cache_is_found_as_the_python_tools_find_it() {
    let cache = |variables: &[(&str, &str)]| options(variables).cache;
    let home = ("HOME", "/home/a");
    assert_eq!(
        cache(&[home, ("XDG_CACHE_HOME", "/c")]),
        Path::new("/c/huggingface/hub")
    );
    assert_eq!(cache(&[home, ("HF_HOME", "/hf")]), Path::new("/hf/hub"));
    let both = [("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/cache")];
    assert_eq!(cache(&both), Path::new("/cache"));
    assert_eq!(
        cache(&[home, ("HF_HOME", "")]),
        Path::new("/home/a/.cache/huggingface/hub")
    );
}

#[test]
fn the_token_comes_from_the_environment_or_a_file_and_is_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "hf_file\n").unwrap();
    let home = ("HF_HOME", dir.path().to_str().unwrap());
    let token = |variables: &[(&str, &str)]| {
        options(variables)
            .token
            .map(|token| token.reveal().to_owned())
    };
    assert_eq!(token(&[home]).as_deref(), Some("hf_file"));
    assert_eq!(
        token(&[home, ("HF_TOKEN", " hf_env ")]).as_deref(),
        Some("hf_env")
    );
    let cache = ("HF_HUB_CACHE", "/elsewhere/hub");
    assert_eq!(token(&[home, cache]).as_deref(), Some("hf_file"));
    std::fs::write(dir.path().join("token"), " \n").unwrap();
    assert_eq!(token(&[home]), None);
    std::fs::write(dir.path().join("token"), "hf_file\n").unwrap();
    let elsewhere = dir.path().join("token");
    assert_eq!(
        token(&[("HF_TOKEN_PATH", elsewhere.to_str().unwrap())]).as_deref(),
        Some("hf_file")
    );
    assert!(!format!("{:?}", options(&[("HF_TOKEN", "hf_env")])).contains("hf_env"));
}

#[test]
fn switches_are_read_as_the_python_tools_read_them() {
    for value in ["1", "true", "ON", "Yes"] {
        assert!(options(&[("HF_HUB_OFFLINE", value)]).offline, "{value}");
    }
    for value in ["0", "false", "", "2"] {
        assert!(!options(&[("HF_HUB_OFFLINE", value)]).offline, "{value}");
    }
    let options = options(&[
        ("HF_ENDPOINT", "https://mirror.example/hub/"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "7"),
        ("COMMUTATOR_BUNDLE", "/b"),
    ]);
    assert_eq!(options.endpoint, "https://mirror.example/hub");
    assert_eq!(options.read_timeout, Duration::from_secs(7));
    assert_eq!(options.bundle.as_deref(), Some(Path::new("/b")));
}
