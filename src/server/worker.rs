//! A worker: one thread, one current-thread runtime, everything that its connections need.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use super::{
    accept::{Entrance, accept},
    pulse::Pulse,
};
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
    /// The snapshot that it was started for holds.
    Begin,
    /// Accept here, until told that another does.
    Accept(Listening, Arc<Entrance>, CancellationToken),
    /// Look at the stage.
    Leave,
    /// Say that there is life.
    Beat(oneshot::Sender<()>),
    /// End, whatever runs.
    Stop,
}

/// What is to become of a worker, as it and control agree.
#[derive(Clone, Debug, Default)]
pub(super) struct Stage(Arc<AtomicU8>);

impl Stage {
    pub(super) const WORKS: u8 = 0;
    pub(super) const LEAVES: u8 = 1;
    pub(super) const GONE: u8 = 2;

    pub(super) fn is(&self, stage: u8) -> bool {
        self.0.load(Relaxed) == stage
    }

    /// From one stage to another, if it is still that one.
    pub(super) fn pass(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Relaxed, Relaxed).is_ok()
    }
}

/// Control's handle of a worker.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) clients: Clients,
    stage: Stage,
    commands: mpsc::Sender<Command>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Handle {
    /// Starts a worker, which waits for its beginning: the snapshot that it is for does not hold yet. Ends
    /// if this is dropped instead.
    pub(super) async fn start(index: usize, world: Arc<World>) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(64);
        let clients = Clients::default();
        let stage = Stage::default();
        let (own, known) = (clients.clone(), stage.clone());
        let (tell, built) = oneshot::channel();
        // The runtime by the thread that is for it: without a thread there is none to take down.
        let live = move || match runtime() {
            Ok(runtime) => {
                let _ = tell.send(Ok(()));
                runtime.block_on(run(index, world, own, known, receiver));
            }
            Err(error) => drop(tell.send(Err(error))),
        };
        let thread = thread::Builder::new().name(format!("worker-{index}")).spawn(live)?;
        built.await.map_err(io::Error::other)??;
        Ok(Self { clients, stage, commands: sender, thread: Some(thread) })
    }

    /// Has it look at the world, and its pulse felt, from now on.
    pub(super) async fn begin(&self, index: usize, pulse: &Pulse) {
        self.send(Command::Begin).await;
        pulse.watch(index, self.commands.clone(), self.stage.clone());
    }

    /// Whether it works and has not been told to leave.
    pub(super) fn works(&self) -> bool {
        self.stage.is(Stage::WORKS)
    }

    /// Has it end once its clients have gone, who are told to. Nobody may come to it any more.
    pub(super) async fn leave(&self) {
        if self.stage.pass(Stage::WORKS, Stage::LEAVES) {
            self.clients.tell_all(Signal::Leave);
            self.send(Command::Leave).await;
        }
    }

    /// Has one that is about to leave stay; says whether it does, or has gone.
    pub(super) fn stay(&self) -> bool {
        if self.stage.pass(Stage::LEAVES, Stage::WORKS) {
            self.clients.welcome();
        }
        self.works()
    }

    /// Tells the worker; it has room for more commands than there are listeners to change at once.
    pub(super) async fn send(&self, command: Command) {
        // A worker that is gone needs no commands.
        let _ = self.commands.send(command).await;
    }

    /// Ends the worker and waits for its thread.
    pub(super) async fn stop(mut self) {
        self.clients.tell_all(Signal::Cut);
        self.send(Command::Stop).await;
        self.join().await;
    }

    /// Waits for the end of its thread.
    pub(super) async fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // For names that the system resolves, nothing else.
        .max_blocking_threads(16)
        .build()
}

async fn run(
    index: usize,
    world: Arc<World>,
    clients: Clients,
    stage: Stage,
    mut commands: mpsc::Receiver<Command>,
) {
    // What was started for a snapshot that never held ends here.
    let Some(Command::Begin) = commands.recv().await else { return };
    let worker = Worker { index, clock: Clock::new() };
    tokio::spawn(worker.clock.clone().run());
    let lens = Lens::new(world);
    tokio::spawn(reap(lens.clone(), worker.clone()));
    loop {
        let command = tokio::select! {
            command = commands.recv() => command,
            () = clients.gone(), if stage.is(Stage::LEAVES) => {
                if stage.pass(Stage::LEAVES, Stage::GONE) {
                    break;
                }
                continue;
            }
        };
        match command {
            Some(Command::Accept(socket, entrance, taken)) => {
                let (lens, clients) = (lens.clone(), clients.clone());
                let accepting = accept(socket, entrance, taken, lens, clients, worker.clone());
                tokio::spawn(accepting);
            }
            Some(Command::Begin | Command::Leave) => {}
            Some(Command::Beat(answer)) => drop(answer.send(())),
            Some(Command::Stop) | None => {
                // Who was cut says so in the log, and this thread's end would be the end of that.
                let _ = tokio::time::timeout(CUT, clients.gone()).await;
                break;
            }
        }
    }
    // Their tasks end with this thread: nobody may find them in the pools.
    for upstream in &lens.look().upstreams {
        upstream.close(&worker);
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
