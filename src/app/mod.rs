//! Process life: the command line on top, and the gateway that it runs.

mod cli;
pub mod config_tests;
pub mod explain;
mod gateway;
mod proxy;
mod question;
mod run;
mod service;
mod sockets;
mod watch;

pub use self::{
    cli::main,
    gateway::{Gateway, Source},
};
