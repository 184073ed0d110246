//! Every target that `bind` takes, and what it says of the others.

use super::*;

#[track_caller]
fn check(text: &str, expect: &str) {
    let got = match BindTarget::from(text).check() {
        Ok(TargetKind::Address(address)) => format!("address {address}"),
        Ok(TargetKind::Localhost(port)) => format!("localhost {port}"),
        Ok(TargetKind::Name { host, port }) => format!("name {host} {port}"),
        #[cfg(unix)]
        Ok(TargetKind::Unix { path, .. }) => format!("unix {}", path.display()),
        #[cfg(unix)]
        Ok(TargetKind::Inherited) => "inherited".to_owned(),
        Err(BindError::MissingPort { .. }) => "no port".to_owned(),
        Err(BindError::MissingHost { .. }) => "no host".to_owned(),
        Err(BindError::InvalidPort { .. }) => "bad port".to_owned(),
        Err(BindError::Malformed { .. }) => "malformed".to_owned(),
        Err(error) => format!("{error:?}"),
    };
    assert_eq!(got, expect, "{text:?}");
}

#[test]
fn addresses_are_used_as_they_are() {
    check("127.0.0.1:80", "address 127.0.0.1:80");
    check("0.0.0.0:0", "address 0.0.0.0:0");
    check("[::1]:80", "address [::1]:80");
}

#[test]
fn localhost_in_any_case_is_loopback_and_other_names_are_for_the_resolver() {
    check("localhost:7878", "localhost 7878");
    check("LocalHost:7878", "localhost 7878");
    check("example.org:443", "name example.org 443");
    check("my_host-1:8080", "name my_host-1 8080");
}

#[cfg(unix)]
#[test]
fn a_path_and_inherited_sockets_have_prefixes() {
    check("unix:/run/app.sock", "unix /run/app.sock");
    check("unix:app.sock", "unix app.sock");
    check("unix:", "malformed");
    check("inherited:", "inherited");
    check("inherited:80", "name inherited 80");
    assert_eq!(
        BindTarget::from("unix:a").unix_mode(0o660).check().expect("a path"),
        TargetKind::Unix { path: "a".into(), mode: Some(0o660) }
    );
}

#[test]
fn a_missing_part_is_an_error() {
    for text in [
        "localhost",
        "localhost:",
        "127.0.0.1",
        "127.0.0.1:",
        "::1",
        "[::1]",
        "[::1]:",
        "example.org",
    ] {
        check(text, "no port");
    }
    for text in [":7878", "7878", "24010", "0", ":0"] {
        check(text, "no host");
    }
}

#[test]
fn a_port_is_a_number_up_to_65535() {
    for text in
        ["localhost:http", "localhost:65536", "localhost:-1", "localhost:+80", "127.0.0.1:99999"]
    {
        check(text, "bad port");
    }
}

#[test]
fn other_texts_are_malformed() {
    for text in [
        "",
        " ",
        "*:80",
        "http://localhost:80",
        "::zz:80",
        "[::1:80",
        "a b:80",
        "[fe80::1%eth0]:80",
        ":",
        ":http",
        "*",
        "a:8 0",
        "localhost:80/",
        " localhost:80",
        "localhost:80\n",
        "tcp://localhost:80",
        "/run/app.sock",
    ] {
        check(text, "malformed");
    }
}

#[test]
fn an_ipv6_address_with_its_port_needs_brackets() {
    // This is the address `::1:80`, so the port is missing.
    check("::1:80", "no port");
    check("1:2:3:4:5:6:7:8:80", "malformed");
}

#[test]
fn typed_targets_are_always_valid() {
    let address = SocketAddr::from(([127, 0, 0, 1], 5000));
    assert_eq!(BindTarget::from(address).check().expect("typed"), TargetKind::Address(address));
    assert_eq!(BindTarget::from(([127, 0, 0, 1], 5000)), address.into());
    assert_eq!(
        BindTarget::from((Ipv6Addr::LOCALHOST, 1)).check().expect("typed"),
        TargetKind::Address(loopbacks(1)[1])
    );
    assert_eq!(BindTarget::localhost(1).check().expect("typed"), TargetKind::Localhost(1));
}

/// The words of a text between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Checks the message for a text, if the text is wrong. Returns whether it is.
#[track_caller]
fn check_hint(text: &str) -> bool {
    let Err(error) = text.parse::<BindTarget>() else { return false };
    let message = error.to_string();
    assert!(!message.contains('\n') && message.contains("; "), "{message}");
    let mut words = quoted(&message);
    assert_eq!(words.next(), Some(&*crate::listen::bind_hints::escape_control(text)), "{message}");
    let mut count = 0;
    for word in words {
        assert!(target_text::is_valid(word), "{text:?}: {message}");
        count += 1;
    }
    assert!(count > 0, "{message}");
    true
}

/// Every part of a target is combined with every other one, so most of the texts are wrong.
#[test]
fn a_wrong_target_is_named_and_what_the_message_says_to_write_is_right() {
    let hosts =
        ["", "localhost", "example.org", "127.0.0.1", "::1", "[::1]", "[fe80::1%eth0]", "*", "a b"];
    let ends =
        ["", ":", ":80", ":http", ":65536", ":-1", ":80/", ":80/a", "80", " ", ":80\n", ":8 0"];
    let mut wrong = 0;
    for start in ["", " ", "http://", "tcp://", "UNIX:", "Inherited"] {
        for host in hosts {
            for end in ends {
                wrong += usize::from(check_hint(&format!("{start}{host}{end}")));
            }
        }
    }
    assert!(wrong > 400, "{wrong}");
}

#[test]
fn the_message_says_what_to_write() {
    for (text, hint) in [
        ("24010", "`localhost:24010` for this machine alone, or `0.0.0.0:24010` for all"),
        (":80", "`0.0.0.0:80` for all"),
        ("localhost", "`localhost:7878`"),
        ("::1", "`[::1]:7878`"),
        ("*:80", "`0.0.0.0:80`"),
        ("http://localhost:80/a", "leave the scheme out: write `localhost:80`"),
        ("http://localhost", "write `localhost:7878`"),
        ("localhost:80/", "leave the path out: write `localhost:80`"),
        (" localhost:80\n", "blanks around it out: write `localhost:80`"),
        ("1:2:3:4:5:6:7:8:80", "`[1:2:3:4:5:6:7:8]:80`"),
        ("localhost:http", "`localhost:7878`"),
        #[cfg(unix)]
        ("unix:", "`unix:/run/app.sock`"),
        #[cfg(unix)]
        ("unix", "`unix:/run/app.sock`"),
        #[cfg(unix)]
        ("Unix:/run/a", "`unix:/run/a`"),
        #[cfg(unix)]
        ("/run/app.sock", "`unix:/run/app.sock`"),
        #[cfg(unix)]
        ("inherited", "`inherited:`"),
    ] {
        let message = text.parse::<BindTarget>().unwrap_err().to_string();
        assert!(message.contains(hint), "{message}");
    }
}
