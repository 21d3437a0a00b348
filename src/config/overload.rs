//! How much may be in flight, and who goes first when that is too much.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who goes first when there is no room for all.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Uses three fifths of what may be in flight.
    Low,
    /// Uses all of it, but for a tenth where a route with high priority shares it.
    #[default]
    Normal,
    /// Uses all of it.
    High,
}

impl Priority {
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// The one below it, if there is one.
    #[must_use]
    pub const fn lower(self) -> Self {
        match self {
            Self::Low | Self::Normal => Self::Low,
            Self::High => Self::Normal,
        }
    }
}

/// How many requests may be in flight to an upstream.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum MaxInFlight {
    /// So many.
    Number(u32),
    /// `"adaptive"`: as many as the upstream answers without a queue growing in it.
    Word(AdaptiveWord),
    /// The same, within bounds.
    Adaptive(Adaptive),
}

/// The word for a limit that finds itself.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdaptiveWord {
    /// As many as the upstream answers without a queue growing in it.
    Adaptive,
}

/// A limit that finds itself, by what answers take longer under load.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Adaptive {
    /// How: `"gradient"`, as Envoy's gradient controller.
    #[schemars(example = &"gradient")]
    pub adaptive: Controller,
    /// Never fewer than these.
    #[serde(default = "least")]
    pub min: u32,
    /// Never more.
    #[serde(default = "most")]
    pub max: u32,
}

const fn least() -> u32 {
    3
}

const fn most() -> u32 {
    1_000
}

/// How a limit finds itself.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Controller {
    /// By the ratio of what answers take without load and with it.
    #[default]
    Gradient,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { adaptive: Controller::Gradient, min: least(), max: most() }
    }
}
