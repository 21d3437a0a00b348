//! `janua proto`: its options, and what `--help` says of them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `janua proto`.
#[derive(Debug, Subcommand)]
pub(in crate::app) enum Proto {
    /// Ask a server of gRPC for its types, and write them to a file for `descriptors` of an API.
    #[command(after_help = PULL)]
    Pull(ProtoPull),
}

/// `janua proto pull`.
#[derive(Args, Debug)]
pub(in crate::app) struct ProtoPull {
    /// The server: `HOST:PORT`, or `https://HOST:PORT`.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::app) from: String,
    /// The file.
    #[arg(long, value_name = "FILE")]
    pub(in crate::app) out: PathBuf,
    /// Only these services, and what they need.
    #[arg(long, value_name = "NAME")]
    pub(in crate::app) service: Vec<String>,
    /// Authorities to trust, in place of the system's.
    #[arg(long, value_name = "FILE")]
    pub(in crate::app) ca: Option<PathBuf>,
}

const PULL: &str = "\
Examples:
  janua proto pull --from 127.0.0.1:50051 --out greeter.pb
  janua proto pull --from https://api.example.com --service shop.v1.Shop --out shop.pb";
