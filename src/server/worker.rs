//! A worker: one thread, one current-thread runtime, everything that its connections need.

use std::{io, sync::Arc, thread, time::Duration};

use tokio::sync::mpsc;

use super::accept::{Entrance, accept};
use crate::{
    message::{Clients, Signal},
    snapshot::{Lens, World},
    stream::Listening,
    worker::{Clock, Worker},
};

/// How often idle connections to origins are looked through.
const REAP: Duration = Duration::from_secs(5);

/// How long clients that were cut may take to be gone.
const CUT: Duration = Duration::from_millis(500);

/// What control tells a worker.
#[derive(Debug)]
pub(super) enum Command {
    /// Accept here.
    Accept(Listening, Arc<Entrance>),
    /// End, whatever runs.
    Stop,
}

/// Control's handle of a worker.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) clients: Clients,
    commands: mpsc::Sender<Command>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Handle {
    /// Starts a worker.
    pub(super) fn start(index: usize, world: Arc<World>) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(64);
        let clients = Clients::default();
        let own = clients.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // For names that the system resolves, nothing else.
            .max_blocking_threads(16)
            .build()?;
        let thread = thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || runtime.block_on(run(index, world, own, receiver)))?;
        Ok(Self { clients, commands: sender, thread: Some(thread) })
    }

    /// Tells the worker; it has room for more commands than there are listeners to change at once.
    pub(super) async fn send(&self, command: Command) {
        // A worker that is gone needs no commands.
        let _ = self.commands.send(command).await;
    }

    /// Ends the worker and waits for its thread.
    pub(super) async fn stop(mut self) {
        self.clients.tell(Signal::Cut, |_| true);
        self.send(Command::Stop).await;
        if let Some(thread) = self.thread.take() {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

async fn run(
    index: usize,
    world: Arc<World>,
    clients: Clients,
    mut commands: mpsc::Receiver<Command>,
) {
    let worker = Worker { index, clock: Clock::new() };
    tokio::spawn(worker.clock.clone().run());
    let lens = Lens::new(world);
    tokio::spawn(reap(lens.clone(), worker.clone()));
    while let Some(command) = commands.recv().await {
        match command {
            Command::Accept(socket, entrance) => {
                let (lens, clients) = (lens.clone(), clients.clone());
                tokio::spawn(accept(socket, entrance, lens, clients, worker.clone()));
            }
            Command::Stop => {
                // Who was cut says so in the log, and this thread's end would be the end of that.
                let gone = async {
                    while !clients.is_empty() {
                        tokio::task::yield_now().await;
                    }
                };
                let _ = tokio::time::timeout(CUT, gone).await;
                return;
            }
        }
    }
}

/// Closes connections to origins that nobody needed for a while.
async fn reap(lens: Lens, worker: Worker) {
    let mut interval = tokio::time::interval(REAP);
    loop {
        interval.tick().await;
        worker.clock.catch_up();
        for upstream in &lens.look().upstreams {
            upstream.reap(&worker);
        }
    }
}
