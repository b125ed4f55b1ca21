//! What operators ask and are told: the shapes of the interface, from which its OpenAPI document is made.

mod audit;
mod dashboard;
mod fleet;
mod hosts;
mod policy;
mod rollout;
mod status;
mod tokens;
mod wave;

pub(crate) use audit::*;
pub(crate) use dashboard::*;
pub(crate) use fleet::*;
pub(crate) use hosts::*;
pub(crate) use policy::*;
pub(crate) use rollout::*;
pub(crate) use status::*;
pub(crate) use tokens::*;
pub(crate) use wave::*;

use schemars::JsonSchema;
use serde::Serialize;

/// What a change touched.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Touched {
    pub(crate) version: u8,
    /// How many hosts.
    pub(crate) touched: usize,
    /// The first hundred of them.
    pub(crate) hosts: Vec<String>,
    /// Whether it was only tried.
    pub(crate) dry_run: bool,
}

const NAMES_SHOWN: usize = 100;

impl Touched {
    /// These hosts.
    pub(crate) fn hosts(names: &[String], dry_run: bool) -> Self {
        Self { version: 1, touched: names.len(), hosts: names.iter().take(NAMES_SHOWN).cloned().collect(), dry_run }
    }
}

/// How many of a list are told unless the question says.
fn limit() -> usize {
    100
}
