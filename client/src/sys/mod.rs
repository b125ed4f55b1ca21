//! The only unsafe code: start-up, descriptors, sockets and files as the kernel has them. Each function is a safe wall.
#![expect(unsafe_code, reason = "the kernel's interface, behind safe functions")]

mod arena;
pub(crate) mod file;
pub(crate) mod journal;
pub(crate) mod process;
pub(crate) mod socket;
pub(crate) mod start;

#[cfg(not(test))]
pub(crate) use start::c_main;
