//! All that is bound: where clients come in, and the operator's door.
//!
//! In: a snapshot. Out: first sockets, bound and silent; then, once that snapshot holds, the same at
//! work and the old ones closed. What is wrong with both is said together, and nobody is let in before both are well.

use crate::{
    admin::{self, Door},
    config::{Path, Problem, Problems},
    server::{self, Server},
    snapshot::{Bind, Snapshot},
};

/// What is bound for a snapshot that does not hold yet.
type Prepared = (server::Prepared, admin::Prepared);

/// All that is bound. Whoever changes the world holds this.
pub(super) struct Sockets {
    pub(super) server: Server,
    pub(super) door: Door,
}

impl Sockets {
    /// Gets what a snapshot needs and is not there yet.
    pub(super) async fn prepare(&mut self, snapshot: &Snapshot) -> Result<Prepared, Problems> {
        let mut problems = self.crossed(snapshot);
        if problems.has_errors() {
            return Err(problems);
        }
        let door = problems.keep(self.door.prepare(&snapshot.config.admin));
        let server = match self.server.prepare(snapshot).await {
            Ok(server) => server,
            Err(more) => {
                problems.extend(more);
                return Err(problems);
            }
        };
        if let Some(door) = door
            && problems.keep(self.server.listen(&server, snapshot)).is_some()
        {
            return Ok((server, door));
        }
        self.server.give_up(server).await;
        Err(problems)
    }

    /// What one of the two is to have of the other's, who gives it up only when the snapshot holds.
    fn crossed(&self, snapshot: &Snapshot) -> Problems {
        let mut problems = Problems::new();
        let mut taken = |at: Path, bind: &Bind, whose: &str| {
            let message = format!("`{bind}` is {whose} until the reload is done");
            let help = "give it up by one reload, and take it by the next";
            problems.push(Problem::error(at.key("address"), message).help(help));
        };
        for (index, listener) in snapshot.listeners.iter().enumerate() {
            if self.door.address() == Some(&listener.bind) {
                let at = Path::root().key("listener").index(index);
                taken(at, &listener.bind, "the admin door's");
            }
        }
        if let Ok(bind) = snapshot.config.admin.address.parse()
            && self.server.listens_at(&bind)
        {
            taken(Path::root().key("admin"), &bind, "a listener's");
        }
        problems
    }

    /// Makes what is bound what the snapshot says, which by now is the one that holds.
    pub(super) async fn commit(&mut self, (server, door): Prepared, snapshot: &Snapshot) {
        self.door.commit(door);
        self.server.commit(server, snapshot).await;
    }

    /// Says where clients come in.
    pub(super) fn tell(&self) {
        for address in self.server.places() {
            tracing::info!(%address, "listening");
        }
    }
}
