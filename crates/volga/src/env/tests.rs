//! Variables of the environment, their units, and the errors of wrong values.

use super::*;

fn read(variables: &[(&str, &str)]) -> App {
    App::new().with_variables(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

#[track_caller]
fn faults(variables: &[(&str, &str)]) -> Vec<String> {
    let app = read(variables);
    let faults = app.check().map_or_else(|faults| faults.settings().to_vec(), |()| Vec::new());
    faults.iter().map(ToString::to_string).collect()
}

/// The values that a variable takes, and those that it does not take.
fn values(name: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match name {
        "PORT" => {
            (&["0", "80", "65535", " 80\n"], &["65536", "-1", "+80", "http", "80 81", "0x50"])
        }
        "VOLGA_BIND" => (
            &["localhost:80", "[::1]:0, 0.0.0.0:80", "a.example:1"],
            &["80", "localhost", "localhost:80,", ",", "http://a:80"],
        ),
        "VOLGA_BODY_LIMIT" => (
            &["0", "1", "64KiB", "5 MiB", "1GiB", "unlimited"],
            &["1KB", "-1", "5M", "none", "1.5MiB"],
        ),
        "VOLGA_MAX_COLLECTED_BYTES" => {
            (&["1", "64KiB"], &["1KB", "99999999999999999999", "18446744073709551615KiB", "many"])
        }
        "VOLGA_TRUSTED_PROXIES" => (
            &["127.0.0.1", "::1, 10.0.0.0/8,unix", "2001:db8::/32"],
            &["localhost", "10.0.0.0/33", "10.0.0.1/8", "::/129", "127.0.0.1:80", "a,b", ","],
        ),
        "VOLGA_MIN_BODY_RATE" => (&["0", "240"], &["-1", "240B", "4294967296"]),
        name if name.starts_with("VOLGA_MAX_CONN") => (&["1", "100000"], &["0", "-1", "1k", "1.0"]),
        name if name.contains("SHUTDOWN") => {
            (&["0s", "10s", "500ms", "2m", "1h", "1 s"], &["10", "s", "-1s", "1d", "1.5s", "1s1s"])
        }
        _ => (&["10s", "1ms"], &["0s", "0ms", "10", "10 sec", "18446744073709551615h"]),
    }
}

#[test]
fn each_variable_takes_its_values_and_names_itself_in_the_fault_of_any_other() {
    for (name, _) in VARIABLES {
        let (right, wrong) = values(name);
        for value in right {
            assert_eq!(faults(&[(name, value)]), [""; 0], "{name}={value}");
        }
        for value in wrong {
            let faults = faults(&[(name, value)]);
            let [fault] = &faults[..] else { panic!("{name}={value}: {faults:?}") };
            let start = format!("the environment variable {name} is \"");
            assert!(fault.starts_with(&start) && fault.contains("write"), "{fault}");
        }
        assert_eq!(faults(&[(name, "")]), [""; 0], "an empty variable counts as not set");
    }
}

#[test]
fn all_faults_are_reported_together_and_before_anything_else_happens() {
    let mut app = read(&[("VOLGA_BIND", "80"), ("PORT", "x"), ("PATH", "x"), ("PORT_X", "x")]);
    app.map_get("/{", || "");
    let text = app.check().unwrap_err().to_string();
    for part in ["variable PORT is", "variable VOLGA_BIND is", "malformed"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn the_last_address_counts_and_the_order_of_the_variables_does_not() {
    let check = |variables: &[(&str, &str)], expect: &[BindTarget]| {
        for variables in [variables.to_vec(), variables.iter().rev().copied().collect()] {
            assert_eq!(read(&variables).targets, expect, "{variables:?}");
        }
    };
    let port = BindTarget::from(([0, 0, 0, 0], 80));
    check(&[("PORT", "80")], &[port]);
    let both = ["localhost:1".into(), "unix:/run/a".into()];
    check(&[("PORT", "80"), ("VOLGA_BIND", "localhost:1, unix:/run/a")], &both);
    let app = read(&[("PORT", "80")]).with_addresses([""; 0]);
    assert_eq!(app.targets.len(), 1);
    assert_eq!(app.with_addresses(["a:1", "b:2"]).targets, ["a:1".into(), "b:2".into()]);
}

#[test]
fn a_misspelt_variable_is_a_fault_and_one_of_your_own_is_not() {
    for name in ["VOLGA_MAX_CONNECTION", "VOLGA_BINDS", "VOLGA_BND", "VOLGA_SHUTDOWN_TIME_OUT"] {
        let fault = faults(&[(name, "1")]).concat();
        assert!(fault.contains(name) && fault.contains("write VOLGA_"), "{fault}");
    }
    assert_eq!(faults(&[("VOLGA_SEED", "1"), ("VOLGA_DATABASE", "x"), ("POTR", "1")]), [""; 0]);
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_text_is_a_fault() {
    use std::os::unix::ffi::OsStringExt;

    let app = App::new().with_variables([("PORT".into(), OsString::from_vec(vec![0xff]))]);
    assert!(app.check().unwrap_err().to_string().contains("PORT is not UTF-8"));
}

#[test]
fn limits_apply() {
    let app = read(&[("VOLGA_SHUTDOWN_TIMEOUT", "2m"), ("VOLGA_MAX_COLLECTED_BYTES", "64KiB")]);
    assert_eq!(app.deadline, Duration::from_secs(120));
    assert_eq!(app.max_collected_bytes, 64 * 1024);
}

/// The guide and the documentation of `with_env` list every variable.
#[test]
fn every_variable_is_documented() {
    let guide = include_str!("../../../../docs/src/environment.md");
    let rustdoc = include_str!("../env.rs");
    for (name, _) in VARIABLES {
        for page in [guide, rustdoc] {
            assert!(page.contains(&format!("| `{name}` |")), "{name}");
        }
    }
}

#[test]
fn a_distance_is_the_number_of_changes() {
    for (one, other, expect) in
        [("", "", 0), ("abc", "abc", 0), ("abc", "ab", 1), ("abc", "xbcd", 2)]
    {
        assert_eq!(distance(one, other), expect);
        assert_eq!(distance(other, one), expect);
    }
}
