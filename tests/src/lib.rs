//! What the end-to-end tests stand on: [`rig`] is a real deployment in a temporary folder, [`evil`] is everything a network
//! and a server can do wrong. The `weird-host` launcher beside them is everything a host can do wrong.

pub mod evil;
pub mod rig;
