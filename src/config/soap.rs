//! `soap` of `[api.NAME]`: how a service that is described by a WSDL is spoken to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Duration, Secret};

/// How a SOAP service is spoken to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Soap {
    /// The other way round: a path where clients speak SOAP, of an origin that speaks JSON. Each operation becomes the call that `operations` says (`POST /NAME` by default, behind `base-path`), and the description is served at the same path with `?wsdl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/soap/bank")]
    pub door: Option<String>,
    /// The service, if the WSDL has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Bank")]
    pub service: Option<String>,
    /// The port, if the service has several; by default the first that speaks SOAP.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"BankSoap12")]
    pub port: Option<String>,
    /// Whether envelopes say by WS-Addressing what they are for: `Action`, `MessageID`, `To`, `ReplyTo`.
    pub addressing: bool,
    /// A name and a password, by WS-Security.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<SoapUser>,
    /// How long an envelope is good for, which is then said by WS-Security.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"5m")]
    pub timestamp: Option<Duration>,
    /// The status of a fault, by the name of an element of its detail, or by its code: `{ InsufficientFunds = 409 }`. By default what is the client's fault (`Client`, `Sender`) is 422, and everything else 502.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("InsufficientFunds", 409)]))]
    pub faults: BTreeMap<String, u16>,
}

impl Soap {
    /// Whether nothing is said.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A name and a password.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SoapUser {
    /// The name.
    #[schemars(example = &"gateway")]
    pub name: String,
    /// The password.
    pub password: Secret,
    /// Whether a digest of it is sent in its place, which the standard makes of SHA-1.
    #[serde(default)]
    pub digest: bool,
}
