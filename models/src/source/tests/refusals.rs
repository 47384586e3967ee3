use std::time::Duration;

use crate::source::testing::{COMMIT, FakeHub, Manners, WEIGHTS, checkpoint};
use crate::source::{HubModel, HubOptions, Silent, pull};

use super::at;

/// The sentence that a pull ends with.
async fn sentence(manners: Manners, change: impl FnOnce(&mut HubOptions, &mut HubModel)) -> String {
    let cache = tempfile::tempdir().unwrap();
    let server = FakeHub::new(manners);
    let mut options = server.options(cache.path());
    options.attempts = 2;
    let mut model = at(None);
    change(&mut options, &mut model);
    let error = pull(&model, &options, &Silent)
        .await
        .unwrap_err()
        .to_string();
    assert!(!error.contains("hf_secret"), "{error}");
    assert!(error.starts_with("model `hub:"), "{error}");
    assert!(
        std::fs::read_dir(cache.path().join("models--org--guard/snapshots")).is_err(),
        "nothing half stays"
    );
    error
}

fn refuse(status: u16, code: &'static str) -> Manners {
    Manners {
        refuse: Some((status, code)),
        ..Manners::default()
    }
}

#[tokio::test]
async fn without_a_token_401_asks_for_one() {
    let said = sentence(refuse(401, ""), |options, _| options.token = None).await;
    assert!(said.contains("(401): set HF_TOKEN"), "{said}");
}

#[tokio::test]
async fn with_a_token_401_says_that_it_is_not_accepted() {
    let said = sentence(refuse(401, ""), |_, _| {}).await;
    assert!(said.contains("does not accept the token (401)"), "{said}");
}

#[tokio::test]
async fn a_gated_model_says_where_to_accept_its_terms() {
    let said = sentence(refuse(403, "GatedRepo"), |_, _| {}).await;
    assert!(
        said.contains("gated (403): accept its terms at http://127.0.0.1:"),
        "{said}"
    );
    assert!(said.contains("/org/guard with the account"), "{said}");
}

#[tokio::test]
async fn any_other_403_is_about_the_token() {
    let said = sentence(refuse(403, ""), |_, _| {}).await;
    assert!(
        said.contains("the token may not read the model (403)"),
        "{said}"
    );
}

#[tokio::test]
async fn an_unknown_model_is_404() {
    let said = sentence(Manners::default(), |_, model| {
        model.repo = "org/gaurd".to_owned();
    })
    .await;
    assert!(
        said.contains("knows no such model (404): check the name"),
        "{said}"
    );
}

#[tokio::test]
async fn an_unknown_revision_is_404() {
    let said = sentence(Manners::default(), |_, model| {
        model.revision = Some("v9".to_owned());
    })
    .await;
    assert!(said.contains("no revision `v9` (404)"), "{said}");
}

#[tokio::test]
async fn a_hub_that_keeps_failing_is_given_up() {
    let said = sentence(refuse(500, ""), |_, _| {}).await;
    assert!(said.contains("answered 500"), "{said}");
    assert!(said.contains("2 times in a row"), "{said}");
}

#[tokio::test]
async fn a_silent_hub_is_a_time_out() {
    let silent = Manners {
        silent: Some("/api/"),
        ..Manners::default()
    };
    let said = sentence(silent, |options, _| {
        options.read_timeout = Duration::from_millis(300);
    })
    .await;
    assert!(
        said.contains("was silent for 0.3 s, 2 times in a row"),
        "{said}"
    );
}

#[tokio::test]
async fn a_hub_that_goes_silent_at_a_file_is_a_time_out() {
    let silent = Manners {
        silent: Some(WEIGHTS),
        ..Manners::default()
    };
    let said = sentence(silent, |options, _| {
        options.read_timeout = Duration::from_secs(1);
    })
    .await;
    assert!(said.contains("was silent for 1 s"), "{said}");
}

#[tokio::test]
async fn metadata_has_a_time_out_too() {
    let silent = Manners {
        silent: Some("/resolve/"),
        bare: true,
        ..Manners::default()
    };
    let said = sentence(silent, |options, _| {
        options.read_timeout = Duration::from_secs(1);
    })
    .await;
    assert!(said.contains("was silent for 1 s"), "{said}");
}

#[tokio::test]
async fn nobody_at_the_address_is_said() {
    let said = sentence(Manners::default(), |options, _| {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        options.endpoint = format!("http://{}", free.local_addr().unwrap());
    })
    .await;
    assert!(said.contains("cannot be reached"), "{said}");
    assert!(said.contains("refused"), "{said}");
}

#[tokio::test]
async fn an_address_that_is_none_is_said() {
    for endpoint in ["hub.example", "ftp://hub.example", "http://"] {
        let said = sentence(Manners::default(), |options, _| {
            options.endpoint = endpoint.to_owned();
        })
        .await;
        assert!(said.contains("HF_ENDPOINT"), "{said}");
    }
}

#[tokio::test]
async fn offline_says_what_to_copy_where() {
    let said = sentence(Manners::default(), |options, _| options.offline = true).await;
    assert!(said.contains("HF_HUB_OFFLINE is set"), "{said}");
    assert!(
        said.contains("copy the directory `models--org--guard`"),
        "{said}"
    );
}

#[tokio::test]
async fn pickles_are_never_fetched() {
    let mut files = checkpoint();
    files.remove(WEIGHTS);
    let server = FakeHub::with(files, Manners::default());
    let cache = tempfile::tempdir().unwrap();
    let error = pull(&at(Some(COMMIT)), &server.options(cache.path()), &Silent)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no safetensors, only pytorch_model.bin"),
        "{error}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_no_hub_is_said() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for mut stream in server.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>");
        }
    });
    let said = sentence(Manners::default(), |options, _| {
        options.endpoint = format!("http://{address}");
    })
    .await;
    assert!(said.contains("is HF_ENDPOINT a model hub?"), "{said}");
}
