#![allow(clippy::unwrap_used)]

use commutator_plugins::units::HumanDuration;

use super::*;

const NOW: Millis = 1_000_000;

fn config() -> EjectionConfig {
    EjectionConfig {
        consecutive_errors: 3,
        consecutive_connect_failures: 1,
        base_time: HumanDuration::from_secs(5),
        max_time: HumanDuration::from_secs(60),
        max_percent: 50,
    }
}

#[test]
fn only_a_whole_row_of_errors_ejects() {
    let (health, config) = (Health::default(), config());
    assert_eq!(health.failed(&config), None);
    assert_eq!(health.failed(&config), None);
    health.succeeded();
    assert_eq!(health.failed(&config), None);
    assert_eq!(health.failed(&config), None);
    assert_eq!(health.failed(&config), Some(EjectionCause::Errors));
}

#[test]
fn connect_failures_have_a_row_of_their_own() {
    let health = Health::default();
    let config = EjectionConfig {
        consecutive_connect_failures: 2,
        ..config()
    };
    assert_eq!(health.connect_failed(&config), None);
    // The connection worked although the answer was an error.
    health.connected();
    assert_eq!(health.failed(&config), None);
    assert_eq!(health.connect_failed(&config), None);
    assert_eq!(
        health.connect_failed(&config),
        Some(EjectionCause::ConnectFailures)
    );
}

#[test]
fn zero_turns_a_cause_off() {
    let health = Health::default();
    let config = EjectionConfig {
        consecutive_errors: 0,
        consecutive_connect_failures: 0,
        ..config()
    };
    for _ in 0..100 {
        assert_eq!(health.failed(&config), None);
        assert_eq!(health.connect_failed(&config), None);
    }
}

#[test]
fn each_ejection_lasts_twice_as_long_up_to_the_maximum() {
    let (health, config) = (Health::default(), config());
    let mut now = NOW;
    for seconds in [5, 10, 20, 40, 60, 60] {
        assert_eq!(health.eject(now, &config), Duration::from_secs(seconds));
        assert!(health.is_ejected(now + seconds * 1000 - 1));
        now += seconds * 1000;
        assert!(!health.is_ejected(now));
    }
}

#[test]
fn good_standing_shortens_the_next_ejection() {
    let (health, config) = (Health::default(), config());
    let mut now = NOW;
    for seconds in [5, 10, 20] {
        health.eject(now, &config);
        now += seconds * 1000;
    }
    // Two base times later two of three doublings are forgiven.
    assert_eq!(health.eject(now + 10_000, &config), Duration::from_secs(10));
}

#[test]
fn a_probe_can_end_an_ejection() {
    let (health, config) = (Health::default(), config());
    health.eject(NOW, &config);
    health.forgive(NOW + 1);
    assert!(!health.is_ejected(NOW + 1));
    // Slow start begins now, not when the ejection would have ended.
    assert_eq!(health.ejected_until(), NOW + 1);
}

#[test]
fn the_share_of_ejected_endpoints_is_bounded() {
    let config = config();
    for (total, ejected, usable_others, expected) in [
        (1, 0, 0, false),
        (2, 0, 1, true),
        (2, 1, 0, false),
        (3, 0, 2, true),
        (3, 1, 1, false),
        (10, 4, 5, true),
        (10, 5, 4, false),
        // The rest is ejected or not ready: the last usable one stays.
        (10, 2, 0, false),
    ] {
        let actual = allowed(&config, total, ejected, usable_others);
        assert_eq!(actual, expected, "{total} {ejected} {usable_others}");
    }
    let never = EjectionConfig {
        max_percent: 0,
        ..config
    };
    assert!(!allowed(&never, 10, 0, 9));
}
