//! [`Place`]: where a store is: at an address, or wherever its Sentinels say.
//!
//! In: a URL. Out: a stream to the server that takes writes now. Sentinels watch over a primary and its copies,
//! and make one of those the primary when it dies. They are asked one after the other, anew for each
//! connection, the one first that answered last. What they say may be late: who connects asks the server for
//! its role.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Cmd, RedisConnectionInfo, Value, aio::MultiplexedConnection, cmd,
    from_redis_value,
};
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::{
    dial::{self, Address, Server},
    stream::Stream,
};

/// The port of a server, and of a Sentinel, where a URL has none.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// What a connection needs to be driven.
pub(super) type Driver = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a store is.
pub(super) enum Place {
    At(Server),
    By(Sentinels),
}

/// Those who know where the primary of this name is.
pub(super) struct Sentinels {
    all: Box<[Server]>,
    name: Box<str>,
    tls: bool,
    hello: RedisConnectionInfo,
    /// Who is asked first.
    first: AtomicUsize,
}

impl Place {
    /// Reads a URL; Sentinels may have a password of their own.
    pub(super) fn parse(url: &str, sentinel_password: Option<&str>) -> Result<Self, String> {
        if url.starts_with("unix:") {
            return Server::new(Address::parse(url)?).map(Self::At);
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let rest = rest.trim_end_matches('/');
        let (tls, sentinels) = match scheme {
            "redis" => (false, false),
            "rediss" => (true, false),
            "redis+sentinel" => (false, true),
            "rediss+sentinel" => (true, true),
            _ if url.is_empty() => return Err("it does not say where the store is".into()),
            // What stands here by mistake may hold a password.
            _ => return Err("this is not a URL of Redis".into()),
        };
        if rest.contains('@') {
            let message = "a store's URL must not carry a user or password: `password` holds it";
            return Err(message.into());
        }
        match sentinels {
            true => Sentinels::parse(rest, tls, sentinel_password).map(Self::By),
            false if rest.contains(['/', '?', '#']) => {
                Err("a store's URL ends with its port; `database` says which database".into())
            }
            false => server(rest, PORT, tls).map(Self::At),
        }
    }

    /// Whether nobody on the way can change what is said. Where Sentinels lead is not known yet.
    pub(super) fn is_protected(&self) -> bool {
        match self {
            Self::At(server) => server.is_protected(),
            Self::By(sentinels) => sentinels.tls,
        }
    }

    /// Connects within this time, to the primary if there are several.
    pub(super) async fn connect(
        &self,
        tls: &Arc<ClientConfig>,
        longest: Duration,
    ) -> Result<Stream, String> {
        match self {
            Self::At(server) => server.connect(tls).await.map_err(|error| error.to_string()),
            Self::By(sentinels) => {
                let server = sentinels.find(tls, longest).await?;
                let stream = server.connect(tls).await;
                stream.map_err(|error| format!("the primary at {}: {error}", server.address))
            }
        }
    }

    /// Whose address it is, if it is one.
    pub(super) fn host(&self) -> String {
        match self {
            Self::At(server) => server.address.host(),
            Self::By(sentinels) => sentinels.name.to_string(),
        }
    }

    /// What a new connection is asked first: for any answer, or whether it is the primary's.
    pub(super) fn greeting(&self) -> Cmd {
        cmd(if matches!(self, Self::At(_)) { "PING" } else { "ROLE" })
    }

    /// Whether this answer is one of somebody who takes writes. Who does not say is believed to.
    pub(super) fn accepts(&self, answer: &Value) -> Result<(), String> {
        let role = answer.as_sequence().and_then(<[Value]>::first).cloned();
        let role = role.and_then(|role| from_redis_value::<String>(role).ok());
        match role.filter(|role| role != "master") {
            None => Ok(()),
            Some(role) => Err(format!("whom the Sentinels named is no primary but a {role}")),
        }
    }
}

impl Sentinels {
    fn parse(rest: &str, tls: bool, password: Option<&str>) -> Result<Self, String> {
        let plain = |name: &&str| !name.is_empty() && !name.contains(['/', '?', '#']);
        let named = rest.split_once('/').filter(|(_, name)| plain(name));
        let (hosts, name) = named.ok_or(
            "Sentinels are asked for a primary by name, and `database` says which database of it",
        )?;
        let all = hosts.split(',').map(|host| server(host, SENTINEL_PORT, tls));
        let mut hello = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(password) = password {
            hello = hello.set_password(password);
        }
        let (all, first) = (all.collect::<Result<_, _>>()?, AtomicUsize::new(0));
        Ok(Self { all, name: name.into(), tls, hello, first })
    }

    /// The primary, as the first Sentinel says that answers. Each has its part of the time.
    async fn find(&self, tls: &Arc<ClientConfig>, longest: Duration) -> Result<Server, String> {
        let (count, first) = (self.all.len(), self.first.load(Relaxed));
        let part = longest / u32::try_from(count + 1).unwrap_or(u32::MAX);
        let mut why = String::new();
        for at in (first..first + count).map(|at| at % count) {
            let sentinel = &self.all[at];
            let said = timeout(part, self.ask(sentinel, tls)).await;
            match said.unwrap_or_else(|_| Err(format!("no answer within {part:?}"))) {
                Ok(found) => {
                    self.first.store(at, Relaxed);
                    return Ok(found);
                }
                Err(error) => why = format!("the Sentinel at {}: {error}", sentinel.address),
            }
        }
        Err(why)
    }

    async fn ask(&self, sentinel: &Server, tls: &Arc<ClientConfig>) -> Result<Server, String> {
        let stream = sentinel.connect(tls).await.map_err(|error| error.to_string())?;
        let mut command = cmd("SENTINEL");
        command.arg("get-master-addr-by-name").arg(&*self.name);
        let (.., answer) = begin(&self.hello, stream, &command).await?;
        if let Value::ServerError(error) = &answer {
            return Err(format!("{error:?}"));
        }
        let found: Option<(String, u16)> =
            from_redis_value(answer).map_err(|error| error.to_string())?;
        let (host, port) = found.ok_or_else(|| format!("it knows no primary `{}`", self.name))?;
        let place = match host.parse() {
            Ok(ip) => dial::Place::Ip(ip, port),
            Err(_) => dial::Place::Name(host.into(), port),
        };
        Server::new(Address::found(place, self.tls, None)?)
    }
}

/// Begins to speak on a stream: the connection, and what it answered first. One that takes connections may
/// stand still all the same, and the library says nothing where there is no password to say.
pub(super) async fn begin(
    hello: &RedisConnectionInfo,
    stream: Stream,
    first: &Cmd,
) -> Result<(MultiplexedConnection, Driver, Value), String> {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let made = MultiplexedConnection::new_with_config(hello, stream, config).await;
    let (mut connection, driver) = made.map_err(|error| error.to_string())?;
    let mut driver: Driver = Box::pin(driver);
    let answer = say(&mut connection, &mut driver, first).await?;
    Ok((connection, driver, answer))
}

/// Sends a command by a connection that nobody else drives yet.
pub(super) async fn say(
    connection: &mut MultiplexedConnection,
    driver: &mut Driver,
    command: &Cmd,
) -> Result<Value, String> {
    tokio::select! {
        answer = connection.send_packed_command(command) => answer.map_err(|error| error.to_string()),
        () = driver => Err("the connection was closed".into()),
    }
}

/// A host with its port, or this one.
pub(super) fn server(host: &str, port: u16, tls: bool) -> Result<Server, String> {
    if host.contains(',') {
        let message = "several servers are named by their Sentinels, or are a cluster: \
                       redis+sentinel://, redis+cluster://";
        return Err(message.into());
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let port = if has_port { String::new() } else { format!(":{port}") };
    let scheme = if tls { "https" } else { "http" };
    Server::new(Address::parse(&format!("{scheme}://{host}{port}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(place: &Place) -> String {
        match place {
            Place::At(server) => server.address.to_string(),
            Place::By(Sentinels { all, name, .. }) => {
                let all = all.iter().map(|one| one.address.to_string());
                format!("{name} of {}", all.collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn where_a_store_may_be() {
        for (url, expected) in [
            ("redis://127.0.0.1", "http://127.0.0.1:6379"),
            ("redis://cache.example:7000/", "http://cache.example:7000"),
            ("rediss://cache.example", "https://cache.example:6379"),
            ("redis://[::1]", "http://[::1]:6379"),
            ("redis://[::1]:1", "http://[::1]:1"),
            ("unix:/run/redis.sock", "unix:/run/redis.sock"),
            ("redis+sentinel://one/mymaster", "mymaster of http://one:26379"),
            (
                "redis+sentinel://10.0.0.1,[::1]:7,two:8/my.master_1/",
                "my.master_1 of http://10.0.0.1:26379 http://[::1]:7 http://two:8",
            ),
            ("rediss+sentinel://one,two/m", "m of https://one:26379 https://two:26379"),
        ] {
            let place = Place::parse(url, None).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(shown(&place), expected, "{url}");
        }
        for (url, message) in [
            ("", "does not say where"),
            ("hunter2", "not a URL of Redis"),
            ("http://hunter2", "not a URL of Redis"),
            ("redis://", "is not"),
            ("redis://:hunter2@host", "must not carry a user or password"),
            ("redis://host/1", "`database`"),
            ("redis://host:x", "no valid port"),
            ("redis://host:99999", "no valid port"),
            ("redis://one,two", "redis+sentinel://"),
            ("unix:run/redis.sock", "absolute path"),
            ("redis+sentinel://:hunter2@host/m", "must not carry a user or password"),
            ("redis+sentinel://host", "by name"),
            ("redis+sentinel://host/", "by name"),
            ("redis+sentinel://host/m/0", "`database`"),
            ("redis+sentinel:///m", "is not"),
            ("redis+sentinel://one,,two/m", "is not"),
            ("redis+sentinel://one:x/m", "no valid port"),
        ] {
            let Err(error) = Place::parse(url, None) else { panic!("{url}") };
            assert!(error.contains(message), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
