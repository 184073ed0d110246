//! Who subscribes on other nodes, and the end of an identity on all of them.

use volga_sse::hub::SubscriptionEnd;

use crate::node::{next_text, node, send, until, until_ready};
use crate::redis_server::{RedisServer, is_missing};

#[tokio::test]
async fn a_node_knows_who_subscribes_on_the_others_and_closes_an_identity_there() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let nodes = [node(&server), node(&server)];
    for node in &nodes {
        until_ready(node).await;
    }
    let anna = nodes[0].subscribe("t").identity("anna").open().expect("open");
    let ben = nodes[0].subscribe("t").identity("ben").open().expect("open");
    let names = |index: usize| {
        let present = nodes[index].presence("t");
        present.keys().map(|name| name.to_string()).collect::<Vec<String>>()
    };
    until("both are listed", || names(1) == ["anna", "ben"]).await;
    // A node that starts learns of them.
    let third = node(&server);
    until("both are listed", || third.presence("t").len() == 2).await;
    nodes[1].send_close_identity("anna").await.expect("sent");
    until("the identity is closed", || anna.end() == Some(SubscriptionEnd::IdentityClosed)).await;
    // Closing an identity on one node ends nothing on another.
    assert_eq!(nodes[1].close_identity("ben"), 0);
    let mut ben = ben;
    send(&nodes[1], "t", "later").await;
    assert_eq!(next_text(&mut ben).await.0, "later");
    assert_eq!(ben.end(), None);
    drop(anna);
    until("she is gone", || names(1) == ["ben"]).await;
}
