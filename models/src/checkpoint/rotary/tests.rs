#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

fn config(fields: Value) -> Json {
    let Value::Object(fields) = fields else {
        panic!("an object")
    };
    Json {
        file: "config.json".to_owned(),
        fields,
    }
}

fn both(fields: Value) -> (Rotary, Rotary) {
    read(&config(fields), 32_768).unwrap()
}

fn reason(fields: Value) -> String {
    read(&config(fields), 32_768).unwrap_err().to_string()
}

/// What the published models with 32,768 tokens ask for.
const YARN: Yarn = Yarn {
    factor: 4.0,
    original_tokens: 8192,
    beta_fast: 32.0,
    beta_slow: 1.0,
    size: 1.138_629_436_111_989,
    truncate: true,
};

#[test]
fn without_a_word_the_angles_are_those_of_modernbert() {
    let plain = (Rotary::plain(160_000.0), Rotary::plain(10_000.0));
    assert_eq!(both(json!({})), plain);
    let nothing = json!({"rope_scaling": null, "rope_parameters": null});
    assert_eq!(both(nothing), plain);
}

#[test]
fn older_bases_count_and_null_means_as_the_global_one() {
    let (global, local) = both(json!({"global_rope_theta": 5e4, "local_rope_theta": 2e4}));
    assert_eq!((global.theta, local.theta), (5e4, 2e4));
    let (global, local) = both(json!({"global_rope_theta": 5e4, "local_rope_theta": null}));
    assert_eq!((global.theta, local.theta), (5e4, 5e4));
}

#[test]
fn both_spellings_of_yarn_are_the_same() {
    let scaling = json!({
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8192, "beta_fast": 32.0,
        "beta_slow": 1.0,
    });
    let of = |theta: f64| Rotary {
        theta,
        scaling: Scaling::Yarn(YARN),
    };
    let older = both(json!({
        "global_rope_theta": 160_000, "local_rope_theta": 160_000, "rope_scaling": scaling,
    }));
    assert_eq!(older, (of(160_000.0), of(160_000.0)));

    let mut parameters = scaling.clone();
    parameters["rope_theta"] = json!(160_000.0);
    let newer = both(json!({
        "rope_parameters": {"full_attention": parameters, "sliding_attention": parameters},
    }));
    assert_eq!(newer, older);

    let mut oldest = scaling;
    let kind = oldest.as_object_mut().unwrap().remove("rope_type").unwrap();
    oldest["type"] = kind;
    assert_eq!(
        both(json!({"rope_scaling": oldest})),
        (of(160_000.0), of(10_000.0))
    );
}

#[test]
fn layers_differ_where_the_file_says_so() {
    let (global, local) = both(json!({"rope_parameters": {
        "full_attention": {"rope_type": "linear", "rope_theta": 8e4, "factor": 2.5},
        "sliding_attention": {"rope_type": "default"},
    }}));
    assert_eq!(global.theta, 8e4);
    assert_eq!(global.scaling, Scaling::Linear { factor: 2.5 });
    assert_eq!(local, Rotary::plain(10_000.0));
}

#[test]
fn rope_scaling_wins_over_rope_parameters() {
    let (global, local) = both(json!({
        "rope_scaling": {"rope_type": "linear", "factor": 2.0},
        "rope_parameters": {"full_attention": {"rope_type": "yarn", "factor": 8.0, "rope_theta": 3e4}},
    }));
    let linear = Scaling::Linear { factor: 2.0 };
    assert_eq!((global.theta, global.scaling), (3e4, linear));
    assert_eq!((local.theta, local.scaling), (1e4, linear));
}

#[test]
fn what_yarn_leaves_out_is_worked_out() {
    let yarn = |fields: Value| {
        let mut scaling = json!({"rope_type": "yarn"});
        for (name, value) in fields.as_object().unwrap() {
            scaling[name] = value.clone();
        }
        match both(json!({"rope_scaling": scaling})).0.scaling {
            Scaling::Yarn(yarn) => yarn,
            other => panic!("{other:?}"),
        }
    };
    // The factor by the lengths, or the first length by the file.
    let given = yarn(json!({"original_max_position_embeddings": 8192}));
    assert_eq!(given, YARN);
    let given = yarn(json!({"factor": 4}));
    assert_eq!((given.factor, given.original_tokens), (4.0, 32_768));
    // Zero means nothing, as in Python.
    let given = yarn(json!({"factor": 4, "beta_fast": 0, "mscale": 0, "mscale_all_dim": 1.0}));
    assert_eq!((given.beta_fast, given.size), (32.0, YARN.size));
    let given = yarn(json!({"factor": 4, "mscale": 2.0, "mscale_all_dim": 1.0}));
    assert!((given.size - (0.2 * 4_f64.ln() + 1.0) / YARN.size).abs() < 1e-12);
    let given = yarn(json!({"factor": 4, "mscale": 2.0, "attention_factor": 0.5}));
    assert_eq!(given.size, 0.5);
    assert!(!yarn(json!({"factor": 4, "truncate": false})).truncate);
}

#[test]
fn llama3_is_read() {
    let (global, _) = both(json!({"rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 4096,
    }}));
    let wanted = Scaling::Llama3(Llama3 {
        factor: 8.0,
        low_frequency: 1.0,
        high_frequency: 4.0,
        original_tokens: 4096,
    });
    assert_eq!(global.scaling, wanted);
}

#[test]
fn complaints_name_the_field() {
    let scaling = |fields: Value| reason(json!({"rope_scaling": fields}));
    let layers = |fields: Value| reason(json!({"rope_parameters": {"sliding_attention": fields}}));
    let kinds = "run are default, linear, llama3 and yarn";
    assert_eq!(
        layers(json!({"rope_type": "longrope"})),
        format!(
            "config.json: `rope_parameters.sliding_attention.rope_type` is \"longrope\"; {kinds}"
        )
    );
    assert_eq!(
        scaling(json!({"type": 3})),
        format!("config.json: `rope_scaling.type` is 3; {kinds}")
    );
    assert_eq!(
        scaling(json!({"rope_type": "linear"})),
        "config.json: `rope_scaling.factor` is missing"
    );
    assert_eq!(
        scaling(json!({"rope_type": "yarn", "factor": 0.5})),
        "config.json: `rope_scaling.factor` is 0.5, not a number of at least 1"
    );
    assert_eq!(
        scaling(json!({"rope_type": "yarn", "factor": 2, "truncate": 1})),
        "config.json: `rope_scaling.truncate` is 1, not true or false"
    );
    assert_eq!(
        scaling(json!({"rope_type": "linear", "factor": 2, "partial_rotary_factor": 0.5})),
        "config.json: `rope_scaling.partial_rotary_factor` is 0.5; only whole heads are turned"
    );
    assert_eq!(
        scaling(json!({
            "rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4,
        })),
        "config.json: `rope_scaling.high_freq_factor` is 4, which is not above `low_freq_factor` 4"
    );
    assert_eq!(
        layers(json!({"rope_theta": 1.0})),
        "config.json: `rope_parameters.sliding_attention.rope_theta` gives 1 as the base of the angles"
    );
    assert_eq!(
        scaling(json!("yarn")),
        "config.json: `rope_scaling` is \"yarn\", not an object"
    );
    assert_eq!(
        reason(json!({"rope_parameters": {"rope_type": "yarn", "factor": 4}})),
        "config.json: `rope_parameters` asks for \"yarn\" angles outside of full_attention and sliding_attention, \
         where they would be overlooked"
    );
}

/// Through this reader and [`Rotary::speeds`], the numbers that transformers computes.
#[test]
fn speeds_are_those_of_transformers() {
    #[derive(serde::Deserialize)]
    struct Row {
        scaling: Value,
        width: usize,
        size: f32,
        speeds: Vec<f32>,
    }
    let rows: Vec<Row> =
        serde_json::from_str(include_str!("../../../parity/fixtures/rotary-speeds.json")).unwrap();
    assert!(rows.len() > 10);
    for row in rows {
        let (rotary, _) = both(json!({"rope_scaling": row.scaling}));
        let speeds = rotary.speeds(row.width);
        assert_eq!(speeds.len(), row.speeds.len());
        for (pair, (found, wanted)) in speeds.iter().zip(&row.speeds).enumerate() {
            let off = (found / wanted - 1.0).abs();
            assert!(off < 1e-6, "{}, pair {pair}: off by {off}", row.scaling);
        }
        // At position 0 all cosines are 1, so what is left is the size.
        let size = rotary.turns(row.width, 1).cos[0];
        assert!((size / row.size - 1.0).abs() < 1e-6, "{}", row.scaling);
    }
}
