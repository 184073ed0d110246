//! Binding: every address of a target, or an error that names the address.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use volga_http::{BindError, BindTarget, Listener, bind};

fn addresses(listeners: &[Listener]) -> Vec<SocketAddr> {
    listeners.iter().map(|listener| listener.tcp_addr().expect("a TCP socket")).collect()
}

/// A machine may have no IPv6. Then the tests expect less.
fn has_ipv6() -> bool {
    std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[tokio::test]
async fn localhost_is_both_loopbacks_on_one_free_port() {
    for target in [BindTarget::from("localhost:0"), BindTarget::localhost(0)] {
        let addresses = addresses(&bind(target).await.expect("a free port"));
        let port = addresses[0].port();
        assert_ne!(port, 0);
        let mut expect = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
        if has_ipv6() {
            expect.push(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
        }
        assert_eq!(addresses, expect);
    }
}

#[tokio::test]
async fn every_loopback_of_localhost_is_reachable() {
    let listeners = bind("localhost:0").await.expect("a free port");
    for address in addresses(&listeners) {
        TcpStream::connect(address).await.expect("someone listens");
    }
}

#[tokio::test]
async fn a_busy_address_is_named() {
    let first = bind("127.0.0.1:0").await.expect("a free port");
    let address = addresses(&first)[0];
    let error = bind(address).await.expect_err("it is busy");
    assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(error.source().is_some());
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::AddrInUse);
}

/// A server that listens on only one of the two addresses would fail the clients of the other.
#[tokio::test]
async fn a_busy_address_among_several_is_an_error() {
    if !has_ipv6() {
        return;
    }
    let first = bind((Ipv6Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = addresses(&first)[0];
    let error = bind(BindTarget::localhost(address.port())).await.expect_err("one of them is busy");
    // Usually this is `address`, but another program may use the same port on the other address.
    let BindError::InUse { address: busy, .. } = error else { panic!("{error:?}") };
    assert_eq!(busy.port(), address.port());
    assert!(error.to_string().contains(&busy.to_string()), "{error}");
}

#[tokio::test]
async fn an_address_of_another_machine_is_named() {
    // TEST-NET-1 (RFC 5737) belongs to no machine.
    let error = bind(([192, 0, 2, 1], 0)).await.expect_err("not this machine's");
    assert!(matches!(error, BindError::NotLocal { .. }), "{error:?}");
    assert!(error.to_string().contains("192.0.2.1:0"), "{error}");
}

#[tokio::test]
async fn a_name_without_address_is_named() {
    // A label of more than 63 letters is invalid, so no name server is asked.
    let name = "a".repeat(64);
    let error = bind(format!("{name}:80")).await.expect_err("there is no such name");
    assert!(matches!(error, BindError::Resolve { .. }), "{error:?}");
    assert!(error.to_string().contains(&name), "{error}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_target_without_port_is_an_error() {
    let error = bind("localhost").await.expect_err("there is no default");
    assert!(matches!(error, BindError::MissingPort { .. }), "{error:?}");
}

#[tokio::test]
async fn a_port_can_be_bound_again_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let client = TcpStream::connect(address).await.expect("someone listens");
    let (accepted, _) = listener.accept().await.expect("a client");
    // The server's side closes first, so its socket lingers in TIME_WAIT.
    drop(accepted);
    drop(client);
    drop(listener);
    bind(address).await.expect("the lingering connection is no obstacle");
}

#[cfg(unix)]
#[tokio::test]
async fn a_shared_port_is_bound_only_by_sockets_that_share_it() {
    let shared = BindTarget::from("127.0.0.1:0").reuse_port();
    let first = bind(shared).await.expect("a free port");
    let address = addresses(&first)[0];
    bind(BindTarget::from(address).reuse_port()).await.expect("it is shared");
    let error = bind(address).await.expect_err("this one does not share");
    assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn without_inherited_sockets_the_error_says_so() {
    let error = bind(BindTarget::inherited()).await.expect_err("cargo opens none");
    assert!(matches!(error, BindError::NothingInherited), "{error:?}");
}
