//! `pinnace`: goes out on a timer, proves who this host is, brings back a short-lived credential, hands it over, and exits.
//!
//! `main` is C's, because the standard library's start-up aborts on hosts without `/dev`; the environment is never read.
#![cfg_attr(not(test), no_main)]
#![cfg_attr(test, expect(dead_code, reason = "the tests have a main of their own"))]

mod bundle;
mod cli;
mod deliver;
mod doctor;
mod facts;
mod failure;
mod fetch;
mod identity;
mod log;
mod net;
mod outcome;
mod report;
mod run;
mod show;
mod site;
mod spent;
mod standing;
mod state;
mod sys;
mod textfile;
mod trial;
mod update;
mod whoami;

#[cfg(not(test))]
sys::c_main!(cli::main);
