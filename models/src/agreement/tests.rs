use std::path::Path;

use super::*;
use crate::checkpoint;
use crate::source::HubOptions;

fn measured(precision: Precision, same: u64, speed: f64) -> Measured {
    Measured {
        precision,
        kernels: "portable".to_owned(),
        heads: vec![
            Agreement {
                head: "a".to_owned(),
                same: 1000,
                of: 1000,
            },
            Agreement {
                head: "b".to_owned(),
                same,
                of: 1000,
            },
        ],
        tokens_per_second: speed,
    }
}

#[test]
fn the_fastest_that_keeps_the_labels_is_chosen() {
    let all = |int8, bf16, fast| {
        choose(&[
            measured(Precision::F32, 1000, 10.0),
            measured(Precision::Bf16, bf16, 20.0),
            measured(Precision::Int8, int8, fast),
        ])
    };
    assert_eq!(all(995, 1000, 30.0), Precision::Int8);
    assert_eq!(all(994, 995, 30.0), Precision::Bf16);
    assert_eq!(all(994, 994, 30.0), Precision::F32);
    assert_eq!(all(1000, 994, 5.0), Precision::F32, "it is slower");
}

#[test]
fn labels_of_rows_are_compared() {
    let mut info = HeadInfo {
        name: "h".to_owned(),
        task: Task::Token,
        labels: Vec::new(),
        width: 2,
    };
    let output = |values: &[f32]| Output {
        width: 2,
        values: values.to_vec(),
    };
    let reference = output(&[1.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    let other = output(&[0.6, 0.4, 0.4, 0.6, f32::NAN, 1.0]);
    assert_eq!(compare(&info, &reference, &other), (1, 3));
    assert_eq!(compare(&info, &reference, &reference), (3, 3));
    info.task = Task::Embedding;
    // Cosines of 0.83, 0.55 and none.
    assert_eq!(compare(&info, &reference, &other), (0, 3));
    assert_eq!(compare(&info, &reference, &reference), (3, 3));
}

#[test]
fn a_record_is_of_one_model_and_machine() {
    let cache = tempfile::tempdir().unwrap();
    let options = HubOptions::new(cache.path());
    assert_eq!(recorded(&options, "abc"), None);
    let record = Record::new(
        "abc",
        vec![
            measured(Precision::F32, 1000, 1.0),
            measured(Precision::Int8, 1000, 2.0),
        ],
    );
    let path = record.write(&options).unwrap();
    assert_eq!(recorded(&options, "abc"), Some(Precision::Int8));
    assert_eq!(recorded(&options, "abd"), None);
    let text = std::fs::read_to_string(&path).unwrap();
    let other = text.replace(&format!("\"{}\"", record.kernels), "\"vector-9000\"");
    std::fs::write(&path, other).unwrap();
    assert_eq!(recorded(&options, "abc"), None, "other kernels");
    std::fs::write(&path, "{").unwrap();
    assert_eq!(recorded(&options, "abc"), None, "not a record");
}

/// The gate for the shipped models: their 8 bits give the labels of 32 on the kernels of this machine.
#[test]
fn the_bundle_agrees_with_itself() {
    agrees_with_itself("bundle", 5000);
    agrees_with_itself("bundle/multilingual", 400);
}

fn agrees_with_itself(name: &str, least: u64) {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let read = checkpoint::read_dir(&bundle, name, &checkpoint::Options::default()).unwrap();
    let threads = Threads::caller();
    let measured = measure(name, &read, &texts(), &threads).unwrap();
    assert_eq!(measured[0].precision, Precision::F32);
    for one in &measured {
        // What `auto` takes without a record; the others are for `models measure` to judge, and miss it by a little.
        if one.precision == Precision::Int8 && crate::native::has_fine_activations() {
            assert!(one.agrees(), "{one:?}");
        }
        let worst = one.heads.iter().map(Agreement::share).fold(1.0, f64::min);
        assert!(worst > 0.96, "{one:?}");
    }
    let labels: u64 = measured[2].heads.iter().map(|head| head.of).sum();
    assert!(labels > least, "{labels}");
}
