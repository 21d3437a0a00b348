//! `janua version`.

use serde_json::json;

use super::{Exit, print};
use crate::app::cli::{Form, Version};

/// Prints the version.
pub(super) fn version(arguments: &Version) -> Exit {
    let version = env!("CARGO_PKG_VERSION");
    match arguments.format {
        Form::Text => print(&format!("janua {version}\n")),
        Form::Json => {
            let facts = json!({
                "version": version,
                "tls": "rustls with aws-lc-rs",
                "os": std::env::consts::OS,
                "arch": std::env::consts::ARCH,
            });
            print(&format!("{facts:#}\n"))
        }
    }
}
