//! `janua key`: its options, and what `--help` says of them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ConfigFile;
use crate::config;

/// `janua key`.
#[derive(Debug, Subcommand)]
pub(in crate::app) enum Key {
    /// Make a key. It is shown once, here; stored is only its digest.
    #[command(after_help = KEY_NEW)]
    New(NewKey),
    /// List the keys of a file or a store.
    List(KeyPlace),
    /// Revoke a key. It stays where it is, for the record; in a file, a reload makes it hold.
    Revoke {
        #[command(flatten)]
        place: KeyPlace,
        /// The key's id.
        id: String,
    },
}

/// Where keys are.
#[derive(Args, Debug)]
pub(in crate::app) struct KeyPlace {
    /// A file of keys.
    #[arg(long, required_unless_present = "store", conflicts_with = "store")]
    pub(in crate::app) file: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::app) store: KeyStore,
}

/// A store of keys.
#[derive(Args, Debug)]
pub(in crate::app) struct KeyStore {
    /// A store of the configuration, `[store.NAME]`.
    #[arg(long, value_name = "NAME")]
    pub(in crate::app) store: Option<String>,
    /// What the keys' names in the store begin with; by default what the section of the configuration
    /// says that uses the store.
    #[arg(long, requires = "store", value_name = "TEXT")]
    pub(in crate::app) prefix: Option<String>,
    #[command(flatten)]
    pub(in crate::app) config: ConfigFile,
}

/// `janua key new`.
#[derive(Args, Debug)]
pub(in crate::app) struct NewKey {
    /// Whose it is.
    #[arg(long)]
    pub(in crate::app) owner: String,
    /// Its roles.
    #[arg(long, value_delimiter = ',', value_name = "ROLE,..")]
    pub(in crate::app) roles: Vec<String>,
    /// Its scopes.
    #[arg(long, value_delimiter = ',', value_name = "SCOPE,..")]
    pub(in crate::app) scopes: Vec<String>,
    /// When it ends: after this time. Without it, never.
    #[arg(long, value_name = "90d")]
    pub(in crate::app) expires: Option<config::Duration>,
    /// Add its line to this file, which is made if need be.
    #[arg(long, conflicts_with = "store")]
    pub(in crate::app) file: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::app) store: KeyStore,
}

const KEY_NEW: &str = "\
The key goes to standard output, and so does the line to store, unless there is a file or a store for \
it. A running gateway takes it up with the next reload, or at once from a store. Of two keys of one owner both hold, so that clients \
can change from one to the other.

Examples:
  janua key new --owner acme --roles buyer --expires 90d --file /etc/janua/keys && janua reload
  janua key revoke --file /etc/janua/keys acme-7f3k && janua reload
  janua key new --owner acme --store shared -c /etc/janua/janua.toml";
