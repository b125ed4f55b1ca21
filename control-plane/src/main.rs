//! `pinnaced`: the control plane of Pinnace.
//!
//! Hosts come in over mutual TLS and are known by the SPIFFE ID of their certificate. Policy, held in memory, says which
//! credentials each may have; default is none. What is issued is signed here and written to the audit log before it leaves.
#![forbid(unsafe_code)]

mod api;
mod backup;
mod cli;
mod config;
mod dashboard;
mod driver;
mod failure;
mod files;
mod init;
mod issue;
mod issuers;
mod keys;
mod metrics;
mod mirror;
mod otlp;
mod registry;
mod releases;
mod reload;
mod serve;
mod store;
mod telemetry;
mod tls;
mod way;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run().map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}
