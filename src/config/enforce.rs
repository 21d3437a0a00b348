//! Whether a rule holds, or is on trial.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a refusal is one, or is only told.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforce {
    /// It is refused.
    #[default]
    Refuse,
    /// It passes; log and metrics tell that it would have been refused.
    Report,
}
