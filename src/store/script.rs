//! [`Script`]: what a store does by itself in one step, with nobody else in between.
//!
//! A store that was told the text once knows it by its digest, until it is started again.

use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use redis::{Cmd, FromRedisValue, cmd};
use tokio::time::sleep;

use super::{Store, Unavailable};
use crate::message::hex;

/// How soon it is looked for room again.
const ROOM: Duration = Duration::from_millis(5);

/// A script in Lua.
#[derive(Debug)]
pub struct Script {
    text: &'static str,
    /// As the store has it: SHA-1, in hexadecimal digits.
    digest: String,
}

impl Script {
    /// A script of this text.
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        Self { text, digest: hex(digest.as_ref()) }
    }

    fn command(&self, how: &str, what: &str, key: &str, arguments: &[u64]) -> Cmd {
        let mut command = cmd(how);
        command.arg(what).arg(1).arg(key).arg(arguments);
        command
    }
}

impl Store {
    /// Runs a script on a key.
    ///
    /// # Errors
    /// It may or may not have run.
    pub async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        arguments: &[u64],
    ) -> Result<T, Unavailable> {
        let known = script.command("EVALSHA", &script.digest, key, arguments);
        match self.ask(key, &known).await {
            Err(Unavailable::NoScript) => {
                self.ask(key, &script.command("EVAL", script.text, key, arguments)).await
            }
            answer => answer,
        }
    }

    /// The same of what nobody waits for: when there is room, if too many others wait for answers now.
    ///
    /// # Errors
    /// It may or may not have run.
    pub async fn run_in_turn<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        arguments: &[u64],
    ) -> Result<T, Unavailable> {
        loop {
            match self.run(script, key, arguments).await {
                Err(Unavailable::Busy) => sleep(ROOM).await,
                answer => return answer,
            }
        }
    }
}
