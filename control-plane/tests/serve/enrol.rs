//! How hosts come in.

use crate::{
    keyed::one_token_lets_one_in,
    rig::{Domain, Server},
};

/// SPIRE 1.14: a join token was accepted twice when it was used concurrently.
#[test]
fn of_two_who_spend_a_token_at_once_one_comes_in() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    one_token_lets_one_in(&domain, [&server, &server]);
}
