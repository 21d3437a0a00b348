//! An API as the operator sees it: its operations, and what of their answers was not as promised.

use serde::{Deserialize, Serialize};

use super::{Api, Sample};

/// An API.
#[derive(Debug, Deserialize, Serialize)]
pub struct Page {
    /// Its name.
    pub name: String,
    /// What its document calls it.
    pub title: String,
    /// The document's version of it.
    pub version: String,
    /// Its operations.
    pub operations: Vec<OperationPage>,
}

/// An operation.
#[derive(Debug, Deserialize, Serialize)]
pub struct OperationPage {
    /// Its `operationId`, or method and path.
    pub id: String,
    /// Its method.
    pub method: String,
    /// Its path, as its route has it.
    pub path: String,
    /// Answers that were looked at.
    pub checked: u64,
    /// Those of them that were not as promised.
    pub drifted: u64,
    /// Answers that were not looked at: they were too large, or there was no time for it.
    pub skipped: u64,
    /// In what they were not.
    pub drift: Vec<Sample>,
}

impl Api {
    /// As the operator sees it.
    pub fn page(&self) -> Page {
        let operations = self.policies.iter().map(|policy| {
            let operation = &policy.operation;
            let (checked, drifted) = operation.drift.counts();
            OperationPage {
                id: operation.id.to_string(),
                method: operation.method.to_string(),
                path: policy.path.clone(),
                checked,
                drifted,
                skipped: operation.drift.skipped(),
                drift: operation.drift.samples(),
            }
        });
        Page {
            name: self.name.to_string(),
            title: self.title.clone(),
            version: self.version.clone(),
            operations: operations.collect(),
        }
    }
}
