//! The operator's door: health, metrics, the configuration in force, reload. Never on a worker.
//!
//! In: `[admin]`, and what the door leads to ([`House`]), which is handed in because a door knows
//! nothing of process life. Out: a small HTTP/1.1 server on a Unix socket or a TCP address. Like all
//! that listens it is bound before a new configuration holds ([`Door::prepare`]) and the old one is
//! closed only then ([`Door::commit`]).
//!
//! | request        | answer                                             | token  |
//! |----------------|----------------------------------------------------|--------|
//! | `GET /livez`   | 200 while the process runs                         | no     |
//! | `GET /readyz`  | 200, or 503 while it drains                        | no     |
//! | `GET /metrics` | every counter, for Prometheus                      | if set |
//! | `GET /config`  | the configuration in force as TOML, secrets masked | if set |
//! | `GET /routes`  | the routes as JSON, the most specific first        | if set |
//! | `GET /explain` | what would become of a request now, as text or JSON: `?method=GET&url=URL` and more | if set |
//! | `GET /limits`  | what limits did, and their busiest keys, as JSON   | if set |
//! | `GET /upstreams` | the endpoints and how they are, as JSON           | if set |
//! | `POST /drain`, `/undrain` | `?upstream=NAME&endpoint=URL`: no more requests there, or again | if set |
//! | `GET /cache`   | what is kept of answers, in numbers or of `?url=URL` | if set |
//! | `POST /purge`  | makes void what is kept: `?url=`, `prefix=`, `host=`, `tag=`, `all=true` | if set |
//! | `GET /jwks`    | the public keys of identity tokens                 | no     |
//! | `POST /reload` | waits; 200 and what changed, or 422 and why not    | if set |

mod answer;
mod bind;
mod guard;
mod purge;
mod refusal;
mod serve;

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, atomic::AtomicBool},
};

use arc_swap::ArcSwapOption;
use http::HeaderName;

use self::{
    bind::Bound,
    guard::{Names, Token},
};
use crate::{
    config::{self, Admin, Path, Problem, Report},
    snapshot::{Bind, Diff, Snapshot, World},
    stream::SocketFile,
};

/// In each answer of a door: who asks can tell it from whatever else answers at its address.
pub const MARK: HeaderName = HeaderName::from_static("x-janua-door");

/// Reads the configuration again and makes it hold. It goes on even if nobody waits for it.
pub type Reload = Box<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<Diff, Report>> + Send>> + Send + Sync + 'static,
>;

/// Explains what would become of a request in a world: what is asked by name, and whether the answer is to be text.
/// An error is what is wrong with the words.
pub type Explain =
    fn(Arc<Snapshot>, &dyn Fn(&str) -> Vec<String>, text: bool) -> Result<String, String>;

/// What the door leads to.
pub struct House {
    /// The world, to look at.
    pub world: Arc<World>,
    /// Whether new clients are welcome.
    pub ready: Arc<AtomicBool>,
    /// What `POST /reload` does.
    pub reload: Reload,
    /// What `GET /explain` says.
    pub explain: Explain,
}

/// The door, open or shut.
#[derive(Debug)]
pub struct Door {
    house: Arc<House>,
    open: Option<Open>,
}

/// A door that is open; dropped, it takes nobody in any more.
#[derive(Debug)]
struct Open {
    bind: Bind,
    token: Arc<ArcSwapOption<Token>>,
    accepting: tokio::task::AbortHandle,
    /// Keeps the socket's file; it goes with this.
    _file: Option<SocketFile>,
}

/// A door as a new configuration wants it, bound and not yet open.
#[derive(Debug)]
pub struct Prepared {
    place: Place,
    token: Option<Arc<Token>>,
}

#[derive(Debug)]
enum Place {
    Shut,
    /// Where it is now.
    Same,
    New(Bind, Bound),
}

impl Door {
    /// A door that is shut.
    pub fn new(house: House) -> Self {
        Self { house: Arc::new(house), open: None }
    }

    /// Binds what `[admin]` asks for, if it is not bound yet.
    ///
    /// The address that nobody wrote is a courtesy: where it cannot be had, because another gateway
    /// on this machine has it or this user may not, the door stays shut and a warning says so.
    ///
    /// # Errors
    /// An address that the operator wrote cannot be bound, or the token cannot be read.
    pub fn prepare(&self, admin: &Admin) -> Result<Prepared, Problem> {
        let at = Path::root().key("admin");
        let token = admin.token.as_ref().map(config::Secret::reveal).transpose();
        let token = token.map_err(|message| Problem::error(at.key("token"), message))?;
        let token = token.map(|token| Arc::new(Token::new(token)));
        if admin.address == "off" {
            return Ok(Prepared { place: Place::Shut, token });
        }
        let at = at.key("address");
        let bind: Bind =
            admin.address.parse().map_err(|message: String| Problem::error(at.clone(), message))?;
        if self.open.as_ref().is_some_and(|open| open.bind == bind) {
            return Ok(Prepared { place: Place::Same, token });
        }
        let place = match bind::bind(&bind) {
            Ok(bound) => Place::New(bind, bound),
            Err(error) if admin.address == Admin::default().address => {
                tracing::warn!(address = %bind, %error, "the admin door stays shut");
                Place::Shut
            }
            Err(error) => {
                let message = format!("cannot listen on `{bind}`: {error}");
                return Err(Problem::error(at, message)
                    .help("another address, or \"off\" to have no admin door"));
            }
        };
        Ok(Prepared { place, token })
    }

    /// Where it is open.
    pub fn address(&self) -> Option<&Bind> {
        self.open.as_ref().map(|open| &open.bind)
    }

    /// Opens the door that was prepared, and closes the one before if it is another.
    pub fn commit(&mut self, prepared: Prepared) {
        match (prepared.place, &self.open) {
            (Place::Same, Some(open)) => open.token.store(prepared.token),
            (Place::Same | Place::Shut, _) => self.open = None,
            (Place::New(bind, bound), _) => {
                self.open = Some(self.open_at(bind, bound, prepared.token));
            }
        }
    }

    /// Shuts the door. Answers under way are still given.
    pub fn close(&mut self) {
        self.open = None;
    }

    fn open_at(&self, bind: Bind, bound: Bound, token: Option<Arc<Token>>) -> Open {
        tracing::info!(address = %bound.address, "the admin door is open");
        let token = Arc::new(ArcSwapOption::new(token));
        let names = Names::of(&bound.address);
        let room = serve::Room { house: self.house.clone(), token: token.clone(), names };
        let accepting = tokio::spawn(serve::accept(bound.socket, Arc::new(room))).abort_handle();
        Open { bind, token, accepting, _file: bound.file }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("House").field("ready", &self.ready).finish_non_exhaustive()
    }
}
