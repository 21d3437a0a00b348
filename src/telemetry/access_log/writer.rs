//! The thread that writes the access log: [`Writer`] is its handle, [`Rounds`] what it does.
//!
//! In: lanes, and orders of its handle. Out: lines at the sink, in rounds: every [`PERIOD`], or when a
//! lane presses or somebody waits. What the sink does not take is lost and counted, so a round ends
//! whatever the sink does, and the next one tries again.

use std::{
    io,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tracing::{info, warn};

use super::{
    Losses,
    fault::{Fault, Outcome, Verdict},
    lanes::{Lanes, Then},
    sink::{Failure, Output},
};

/// How long a line waits at most for its round.
const PERIOD: Duration = Duration::from_millis(100);

/// The thread's handle. When it falls, the thread writes what is left and ends by itself.
#[derive(Debug)]
pub(super) struct Writer {
    orders: Arc<Orders>,
    thread: Thread,
}

/// What the handle asks for and the thread answers.
#[derive(Debug, Default)]
struct Orders {
    reopen: AtomicBool,
    stop: AtomicBool,
    /// How many have asked to be told when a round ends.
    asked: AtomicU64,
    answered: Mutex<Answered>,
    told: Condvar,
}

#[derive(Debug, Default)]
struct Answered {
    /// The last asker whose lines are done with.
    asker: u64,
    ended: bool,
}

impl Writer {
    pub(super) fn start(
        output: Output,
        lanes: Arc<Lanes>,
        losses: Arc<Losses>,
    ) -> io::Result<Self> {
        let orders = Arc::new(Orders::default());
        let spare = lanes.spare();
        let fault = Fault::new(losses.lines());
        let rounds = Rounds {
            output,
            lanes,
            losses,
            orders: Arc::clone(&orders),
            spare,
            torn: false,
            fault,
        };
        let thread = thread::Builder::new()
            .name("access-log".into())
            .spawn(|| rounds.run())?
            .thread()
            .clone();
        Ok(Self { orders, thread })
    }

    /// Makes the next round come now. A wake-up during a round is kept for after it.
    pub(super) fn wake(&self) {
        self.thread.unpark();
    }

    pub(super) fn reopen(&self) {
        self.orders.reopen.store(true, Release);
        self.wake();
    }

    pub(super) fn settle(&self, bound: Duration) -> bool {
        let asker = self.orders.asked.fetch_add(1, AcqRel) + 1;
        self.wait(bound, |answered| answered.asker >= asker || answered.ended)
    }

    pub(super) fn finish(&self, bound: Duration) -> bool {
        self.orders.stop.store(true, Release);
        self.wait(bound, |answered| answered.ended)
    }

    fn wait(&self, bound: Duration, done: impl Fn(&Answered) -> bool) -> bool {
        self.wake();
        let mut answered = self.orders.answered.lock();
        self.orders.told.wait_while_for(&mut answered, |answered| !done(answered), bound);
        done(&answered)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.orders.stop.store(true, Release);
        self.wake();
    }
}

/// What the thread does.
struct Rounds {
    output: Output,
    lanes: Arc<Lanes>,
    losses: Arc<Losses>,
    orders: Arc<Orders>,
    /// The buffer that is exchanged for a lane's; empty between rounds.
    spare: Vec<u8>,
    /// Whether the sink ends in half a line.
    torn: bool,
    fault: Fault,
}

impl Rounds {
    fn run(mut self) {
        loop {
            // Read before the round: what comes during it is for the next one.
            let asker = self.orders.asked.load(Acquire);
            let stop = self.orders.stop.load(Acquire);
            if self.orders.reopen.swap(false, AcqRel) {
                self.reopen();
            }
            self.round(if stop { Then::Close } else { Then::GoOn });
            *self.orders.answered.lock() = Answered { asker, ended: stop };
            self.orders.told.notify_all();
            if stop {
                return;
            }
            thread::park_timeout(PERIOD);
        }
    }

    fn round(&mut self, then: Then) {
        let (mut wrote, mut error) = (false, None);
        for lane in 0..self.lanes.count() {
            self.lanes.take(lane, &mut self.spare, then);
            if !self.spare.is_empty() {
                match self.write() {
                    Ok(()) => wrote = true,
                    Err(failure) => error = Some(failure),
                }
                self.spare.clear();
            }
        }
        let outcome = Outcome { wrote, failed: error.is_some(), lost: self.losses.lines() };
        match self.fault.judge(outcome, Instant::now()) {
            Some(Verdict::Loses(lost)) => {
                let error = error.map(|error| error.to_string());
                let why = error.as_deref().unwrap_or("it is slower than the requests");
                warn!(why, lost, "the access log loses lines");
            }
            Some(Verdict::Recovered) => info!("the access log is written again"),
            None => {}
        }
    }

    /// Writes the buffer, and counts what could not be written.
    fn write(&mut self) -> Result<(), io::Error> {
        let result = self.mend().and_then(|()| self.output.write(&self.spare));
        let Err(Failure { written, error }) = result else {
            return Ok(());
        };
        let (whole, lost) = self.spare.split_at(written);
        self.torn = whole.last().map_or(self.torn, |byte| *byte != b'\n');
        self.losses.lose(lost.iter().filter(|byte| **byte == b'\n').count() as u64);
        self.losses.fail();
        Err(error)
    }

    /// Ends the half line that a failure left, so that it spoils no other.
    fn mend(&mut self) -> Result<(), Failure> {
        if self.torn {
            self.output.write(b"\n").map_err(|failure| Failure { written: 0, ..failure })?;
            self.torn = false;
        }
        Ok(())
    }

    fn reopen(&mut self) {
        match self.output.reopen() {
            // The half line is in the old file, unless nobody took that away.
            Ok(()) => self.torn &= !self.output.is_empty(),
            Err(error) => warn!(%error, "the access log goes on in the file it has"),
        }
    }
}
