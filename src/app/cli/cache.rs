//! `janua cache`: its options, and what `--help` says of them.

use clap::{Args, Subcommand};

use super::AdminDoor;

/// `janua cache`.
#[derive(Debug, Subcommand)]
pub(in crate::app) enum Cache {
    /// Show what is kept, in numbers.
    Stats(CacheStats),
    /// Show what is kept of a URL.
    Get(CacheGet),
    /// Make void what is kept, for everybody, at once.
    #[command(after_help = PURGE)]
    Purge(CachePurge),
}

/// `janua cache stats`.
#[derive(Args, Debug)]
pub(in crate::app) struct CacheStats {
    #[command(flatten)]
    pub(in crate::app) door: AdminDoor,
}

/// `janua cache get`.
#[derive(Args, Debug)]
pub(in crate::app) struct CacheGet {
    /// As clients ask for it: `https://www.example.com/page`.
    pub(in crate::app) url: String,
    #[command(flatten)]
    pub(in crate::app) door: AdminDoor,
}

/// `janua cache purge`.
#[derive(Args, Debug)]
pub(in crate::app) struct CachePurge {
    #[command(flatten)]
    pub(in crate::app) what: Purged,
    /// It may be given again once its origin says that it holds.
    #[arg(long)]
    pub(in crate::app) soft: bool,
    #[command(flatten)]
    pub(in crate::app) door: AdminDoor,
}

/// What is to be made void.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(in crate::app) struct Purged {
    /// This URL: `https://www.example.com/page`.
    #[arg(long)]
    pub(in crate::app) url: Option<String>,
    /// Every URL that begins so.
    #[arg(long)]
    pub(in crate::app) prefix: Option<String>,
    /// Every URL of this host.
    #[arg(long)]
    pub(in crate::app) host: Option<String>,
    /// Every answer with this tag, of `Surrogate-Key` or `Cache-Tag`.
    #[arg(long)]
    pub(in crate::app) tag: Option<String>,
    /// All.
    #[arg(long)]
    pub(in crate::app) all: bool,
}

const PURGE: &str = "\
The gateway is found by the `admin` section of its configuration.

Examples:
  janua cache purge --url https://www.example.com/news
  janua cache purge --tag product-17 --soft
  janua cache purge --prefix https://www.example.com/shop/

Exit codes: 0; 1 if the gateway could not be asked.";
