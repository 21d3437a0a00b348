//! What a [`Store`] is asked: values, locks, lists. Each command is one that every Redis and Valkey has.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::{Store, Unavailable, Way, read};

/// Bytes of a value; more are not read.
const MAX_VALUE: usize = 1 << 20;
/// Keys that are taken away at the same time where each is asked for alone.
const AT_ONCE: usize = 64;
/// How many keys a walk asks for at a time.
const STEP: usize = 500;

impl Store {
    /// The value of a key, if there is one; one that is empty is none.
    ///
    /// # Errors
    /// It cannot be said.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Unavailable> {
        // What is beyond the bound is not sent at all.
        let mut command = redis::cmd("GETRANGE");
        command.arg(key).arg(0).arg(MAX_VALUE);
        let value: Vec<u8> = self.ask(key, &command).await?;
        match value.len() {
            0 => Ok(None),
            length if length > MAX_VALUE => {
                Err(Unavailable::Refused(format!("a value has more than {MAX_VALUE} bytes")))
            }
            _ => Ok(Some(value)),
        }
    }

    /// Sets the value of a key, to be gone after this time, if there is one.
    ///
    /// # Errors
    /// It may or may not be set.
    pub async fn set(
        &self,
        key: &str,
        value: &[u8],
        expiry: Option<Duration>,
    ) -> Result<(), Unavailable> {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value);
        if let Some(expiry) = expiry {
            command.arg("PX").arg(millis(expiry));
        }
        self.ask(key, &command).await
    }

    /// Sets a key that is not there, to be gone after this time; says whether that is so.
    ///
    /// # Errors
    /// It may or may not be set.
    pub async fn claim(&self, key: &str, expiry: Duration) -> Result<bool, Unavailable> {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(1).arg("NX").arg("PX").arg(millis(expiry));
        self.ask(key, &command).await
    }

    /// Sets the value of a key that is there, to be gone after this time; says whether there is one.
    ///
    /// # Errors
    /// It may or may not be set.
    pub async fn replace(
        &self,
        key: &str,
        value: &[u8],
        expiry: Duration,
    ) -> Result<bool, Unavailable> {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value).arg("XX").arg("PX").arg(millis(expiry));
        self.ask(key, &command).await
    }

    /// Puts an entry at the end of a list with numbers, which keeps about so many.
    ///
    /// # Errors
    /// It may or may not be there.
    pub async fn append(
        &self,
        key: &str,
        entry: &[(&str, &str)],
        most: usize,
    ) -> Result<(), Unavailable> {
        let mut command = redis::cmd("XADD");
        command.arg(key).arg("MAXLEN").arg("~").arg(most).arg("*");
        for (name, value) in entry {
            command.arg(name).arg(value);
        }
        self.ask::<String>(key, &command).await.map(drop)
    }

    /// The entries of such a list after the one of this number, at most so many.
    ///
    /// # Errors
    /// It cannot be said.
    pub async fn after(
        &self,
        key: &str,
        number: &str,
        most: usize,
    ) -> Result<Vec<(String, Vec<(String, String)>)>, Unavailable> {
        let mut command = redis::cmd("XRANGE");
        command.arg(key).arg(format!("({number}")).arg("+").arg("COUNT").arg(most);
        let entries: Vec<(String, Vec<String>)> = self.ask(key, &command).await?;
        let pairs = |entry: Vec<String>| {
            let mut words = entry.into_iter();
            std::iter::from_fn(|| words.next().zip(words.next())).collect()
        };
        Ok(entries.into_iter().map(|(number, entry)| (number, pairs(entry))).collect())
    }

    /// The number of the first entry of such a list, if there is one.
    ///
    /// # Errors
    /// It cannot be said.
    pub async fn first(&self, key: &str) -> Result<Option<String>, Unavailable> {
        self.at_an_end(key, "XRANGE", ("-", "+")).await
    }

    /// The number of the last one.
    ///
    /// # Errors
    /// It cannot be said.
    pub async fn last(&self, key: &str) -> Result<Option<String>, Unavailable> {
        self.at_an_end(key, "XREVRANGE", ("+", "-")).await
    }

    async fn at_an_end(
        &self,
        key: &str,
        word: &str,
        (from, to): (&str, &str),
    ) -> Result<Option<String>, Unavailable> {
        let mut command = redis::cmd(word);
        command.arg(key).arg(from).arg(to).arg("COUNT").arg(1);
        let entries: Vec<(String, Vec<String>)> = self.ask(key, &command).await?;
        Ok(entries.into_iter().next().map(|(number, _)| number))
    }

    /// Lets a key be gone after this time from now; says whether there is one.
    ///
    /// # Errors
    /// It may or may not be so.
    pub async fn expire(&self, key: &str, expiry: Duration) -> Result<bool, Unavailable> {
        self.ask(key, redis::cmd("PEXPIRE").arg(key).arg(millis(expiry))).await
    }

    /// Takes a key away; says whether there was one.
    ///
    /// # Errors
    /// It may or may not be gone.
    pub async fn delete(&self, key: &str) -> Result<bool, Unavailable> {
        self.ask(key, redis::cmd("DEL").arg(key)).await
    }

    /// Takes keys away; says how many there were.
    ///
    /// # Errors
    /// Some may be gone.
    pub async fn delete_all(&self, keys: &[String]) -> Result<usize, Unavailable> {
        match (&self.way, keys) {
            (_, []) => Ok(0),
            (Way::One(_), [first, ..]) => self.ask(first, redis::cmd("DEL").arg(keys)).await,
            (Way::Several(_), _) => {
                // Each may be at another server.
                let mut count = 0;
                for some in keys.chunks(AT_ONCE) {
                    let mut deleting = Vec::with_capacity(some.len());
                    for key in some {
                        deleting.push(self.delete(key));
                    }
                    count += try_join_all(deleting).await?.into_iter().filter(|was| *was).count();
                }
                Ok(count)
            }
        }
    }

    /// Puts a name on a list, by the time of its end; that and `now` are the caller's numbers. What has
    /// ended comes off the list, and so do the first to end while it is longer than `most`: those are
    /// given back. The list is gone after this time from now.
    ///
    /// # Errors
    /// It may or may not be on the list.
    pub async fn enlist(
        &self,
        list: &str,
        name: &str,
        (end, now): (u64, u64),
        most: isize,
        expiry: Duration,
    ) -> Result<Vec<String>, Unavailable> {
        let () =
            self.ask(list, redis::cmd("ZREMRANGEBYSCORE").arg(list).arg("-inf").arg(now)).await?;
        let () = self.ask(list, redis::cmd("ZADD").arg(list).arg(end).arg(name)).await?;
        let () = self.ask(list, redis::cmd("PEXPIRE").arg(list).arg(millis(expiry))).await?;
        let over: Vec<String> =
            self.ask(list, redis::cmd("ZRANGE").arg(list).arg(0).arg(-1 - most)).await?;
        if !over.is_empty() {
            let () = self.ask(list, redis::cmd("ZREM").arg(list).arg(&over)).await?;
        }
        Ok(over)
    }

    /// The last names of a list, as many as this at most.
    ///
    /// # Errors
    /// They are not known.
    pub async fn listed(&self, list: &str, most: isize) -> Result<Vec<String>, Unavailable> {
        self.ask(list, redis::cmd("ZRANGE").arg(list).arg(-most).arg(-1)).await
    }

    /// The keys that begin like this. It takes as long as it takes: for tools, not for requests.
    ///
    /// # Errors
    /// Not all of them are known.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, Unavailable> {
        let special = |sign: char| matches!(sign, '*' | '?' | '[' | ']' | '\\' | '^');
        let mut pattern = String::new();
        for sign in prefix.chars() {
            pattern.extend(special(sign).then_some('\\'));
            pattern.push(sign);
        }
        pattern.push('*');
        let mut found = Vec::new();
        for link in self.links().await? {
            let mut cursor = 0_u64;
            loop {
                let mut command = redis::cmd("SCAN");
                command.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(STEP);
                let (next, some): (u64, Vec<String>) = read(link.ask(&command, false).await?)?;
                found.extend(some);
                if next == 0 {
                    break;
                }
                cursor = next;
            }
        }
        // A walk may come by the same key twice.
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// A time to live, as commands have it.
fn millis(expiry: Duration) -> u64 {
    let millis = u64::try_from(expiry.as_millis()).unwrap_or(u64::MAX);
    millis.clamp(1, i64::MAX as u64)
}
