//! Statuses, headers and clones of errors.

use std::io;

use super::*;

#[test]
fn an_error_of_the_application_is_a_server_error_whatever_its_kind() {
    use std::collections::HashMap;
    use std::io::ErrorKind as Kind;
    let status = |error: Error| error.status().as_u16();
    for kind in [
        Kind::NotFound,
        Kind::PermissionDenied,
        Kind::AlreadyExists,
        Kind::InvalidInput,
        Kind::InvalidData,
        Kind::UnexpectedEof,
        Kind::Unsupported,
        Kind::ConnectionRefused,
        Kind::AddrInUse,
        Kind::BrokenPipe,
        Kind::WouldBlock,
        Kind::Interrupted,
        Kind::OutOfMemory,
        Kind::Other,
    ] {
        assert_eq!(status(io::Error::from(kind).into()), 500, "{kind}");
        assert_eq!(status(io::Error::new(kind, "text").into()), 500, "{kind}");
    }
    for text in ["", "x", "{", "{}", "300", "1 2"] {
        assert_eq!(status(serde_json::from_str::<u8>(text).unwrap_err().into()), 500, "{text}");
    }
    let unwritable = HashMap::from([(vec![1], 1)]);
    assert_eq!(status(serde_json::to_string(&unwritable).unwrap_err().into()), 500);
    assert_eq!(status("x".parse::<u8>().unwrap_err().into()), 500);
    assert_eq!(status(Error::client_error("text")), 400);
    assert_eq!(status(ExtractError::NotText.into()), 400);
}

#[derive(Debug, thiserror::Error)]
#[error("the upstream failed")]
struct Upstream(#[source] BoxError);

#[tokio::test]
async fn a_time_out_is_504_however_often_it_is_wrapped() {
    let elapsed = || async {
        tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await.unwrap_err()
    };
    for layers in 0..4 {
        let timed_out = io::Error::from(io::ErrorKind::TimedOut);
        for mut error in [BoxError::from(timed_out), elapsed().await.into()] {
            for layer in 0..layers {
                error = match layer % 2 {
                    0 => Upstream(error).into(),
                    _ => io::Error::other(error).into(),
                };
            }
            let error = Error::from_boxed(error);
            assert_eq!(error.status(), 504, "{layers} layers");
            assert_eq!(error.public_message(), "Gateway Timeout");
            assert!(error.reference().is_some());
        }
    }
}

#[test]
fn the_client_sees_the_message_of_a_client_error_only() {
    assert_eq!(Error::client_error("`age` is missing").public_message(), "`age` is missing");
    let secret = Error::server_error("password of db is x");
    assert_eq!(secret.public_message(), "Internal Server Error");
    assert_eq!(secret.to_string(), "password of db is x");
}

#[derive(Debug, thiserror::Error)]
#[error("sold out")]
struct SoldOut;

fn rules(status: u16) -> Vec<StatusRule> {
    let status = StatusCode::from_u16(status).unwrap();
    vec![Arc::new(move |error| error.is::<SoldOut>().then_some(status))]
}

#[test]
fn rules_change_a_status_that_was_not_set() {
    let status = |error: Error| error.apply_rules(&rules(409)).status().as_u16();
    assert_eq!(status(SoldOut.into()), 409);
    assert_eq!(status(Error::from_boxed(SoldOut.into())), 409);
    assert_eq!(status(io::Error::from(io::ErrorKind::NotFound).into()), 500);
    assert_eq!(status(Error::new(StatusCode::GONE, SoldOut)), 410);
    assert_eq!(status(Error::from(SoldOut).with_status(StatusCode::GONE)), 410);
    let mut both = rules(409);
    both.extend(rules(410));
    assert_eq!(Error::from(SoldOut).apply_rules(&both).status(), 410, "the last is asked first");
}

#[test]
fn each_app_applies_its_own_rules_to_the_same_error() {
    let error = Error::from(SoldOut);
    let [one, two] = [409, 410].map(|status| error.clone().apply_rules(&rules(status)));
    let three = one.clone().apply_rules(&[]);
    let statuses = [&error, &one, &two, &three].map(|error| error.status().as_u16());
    assert_eq!(statuses, [500, 409, 410, 500]);
    assert_eq!(one.clone().apply_rules(&rules(410)).status(), 410);
    assert_eq!(one.to_string(), "sold out");
}

#[test]
fn headers_stay_whatever_becomes_of_the_error() {
    let values = |error: &Error| -> Vec<String> {
        let values = error.headers().unwrap().get_all("www-authenticate").iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    let add = |error: Error, value| error.with_header(("www-authenticate", value));
    let error = add(add(SoldOut.into(), "Basic"), "Bearer");
    let clone = error.clone();
    let more = add(clone.clone(), "Digest");
    assert_eq!(values(&more), ["Basic", "Bearer", "Digest"]);
    assert_eq!(values(&clone), ["Basic", "Bearer"]);
    for error in [
        clone.clone().with_status(StatusCode::GONE),
        clone.clone().apply_rules(&rules(409)),
        error.apply_rules(&rules(409)),
        clone.problem().into(),
    ] {
        assert_eq!(values(&error), ["Basic", "Bearer"]);
    }
    assert!(Error::client_error("x").headers().is_none());
    for header in [("x-a", "1\n2"), ("x a", "1"), ("", "1")] {
        let error = Error::new(StatusCode::UNAUTHORIZED, "no token").with_header(header);
        assert_eq!(error.status(), 500);
        assert_eq!(error.to_string(), "a header of the error `no token` is not valid");
        let problem = Problem::new(401).with_detail("no token").with_header(header);
        assert_eq!(Error::from(problem).to_string(), error.to_string());
    }
}

#[test]
fn a_failed_factory_is_always_a_server_error() {
    let failed = |error: Error| Error::of_factory("Shop", error);
    let status = |error, status| failed(error).apply_rules(&rules(status)).status().as_u16();
    assert_eq!(status(SoldOut.into(), 503), 503);
    assert_eq!(status(SoldOut.into(), 409), 500);
    assert_eq!(status(Error::new(StatusCode::BAD_GATEWAY, SoldOut), 503), 502);
    assert_eq!(status(failed(SoldOut.into()), 503), 503);
}

#[test]
fn it_converts_to_a_boxed_error_and_is_one_word() {
    let boxed: BoxError = Error::from(io::Error::other("cause")).into();
    assert!(boxed.downcast_ref::<io::Error>().is_some());
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}
