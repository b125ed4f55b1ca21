//! Networks and servers that misbehave on purpose, on real sockets: [`peer`] speaks TCP by script, [`tls`] and [`authority`]
//! make it a control plane that looks right or wrong, [`answer`] is what it says, [`dns`] a name server, [`network`] a network
//! with nothing in it but what a test puts there. [`ground`] is the host they meet.

pub mod answer;
pub mod authority;
pub mod dns;
pub mod ground;
pub mod network;
pub mod peer;
pub mod rows;
pub mod tls;
