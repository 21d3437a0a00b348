//! Whether the workers live: each is asked, and has to answer.
//!
//! Whoever wants to know asks again and again. A worker answers between its other work, so that one
//! which hangs, for whatever reason, does not. Nobody asks, nothing happens.

use std::{mem, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{
    mpsc,
    oneshot::{self, error::TryRecvError},
};

use super::worker::{Command, Stage};

/// What tells whether the workers live. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<Mutex<Vec<Vein>>>);

/// Where one worker's pulse is felt.
#[derive(Debug)]
struct Vein {
    worker: usize,
    commands: mpsc::Sender<Command>,
    stage: Stage,
    asked: Option<oneshot::Receiver<()>>,
    /// Whether it owes an answer, and that was said.
    silent: bool,
}

/// What is to be said of a worker.
enum State {
    Well,
    Silent,
    /// It has ended, as it was told to.
    Gone,
}

impl Pulse {
    /// Asks this worker from now on.
    pub(super) fn watch(&self, worker: usize, commands: mpsc::Sender<Command>, stage: Stage) {
        self.0.lock().push(Vein { worker, commands, stage, asked: None, silent: false });
    }

    /// Asks nobody any more: they end.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }

    /// How many are asked.
    pub fn workers(&self) -> usize {
        self.0.lock().len()
    }

    /// Asks all workers; says whether each has answered what it was asked the last time.
    pub fn beat(&self) -> bool {
        let mut all = true;
        self.0.lock().retain_mut(|vein| {
            let state = vein.feel();
            vein.tell(&state);
            all &= !matches!(state, State::Silent);
            !matches!(state, State::Gone)
        });
        all
    }
}

impl Vein {
    /// Looks for the answer, and asks again if it is there.
    fn feel(&mut self) -> State {
        match self.asked.as_mut().map(oneshot::Receiver::try_recv) {
            None | Some(Ok(())) => {}
            Some(Err(TryRecvError::Empty)) => return State::Silent,
            Some(Err(TryRecvError::Closed)) => return self.ended(),
        }
        let (answer, asked) = oneshot::channel();
        match self.commands.try_send(Command::Beat(answer)) {
            Ok(()) => {
                self.asked = Some(asked);
                State::Well
            }
            Err(mpsc::error::TrySendError::Full(_)) => State::Silent,
            Err(mpsc::error::TrySendError::Closed(_)) => self.ended(),
        }
    }

    fn ended(&self) -> State {
        if self.stage.is(Stage::GONE) { State::Gone } else { State::Silent }
    }

    /// Says when it falls silent, and when it is back.
    fn tell(&mut self, state: &State) {
        let silent = matches!(state, State::Silent);
        match (mem::replace(&mut self.silent, silent), silent) {
            (false, true) => tracing::error!(
                worker = self.worker,
                "a worker does not answer: the service manager is not told that all is well"
            ),
            (true, false) => tracing::warn!(worker = self.worker, "the worker answers again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// A worker of which only the mailbox is there.
    struct Double {
        mailbox: mpsc::Receiver<Command>,
        stage: Stage,
    }

    impl Double {
        fn of(pulse: &Pulse, worker: usize, room: usize) -> Self {
            let (sender, mailbox) = mpsc::channel(room);
            let stage = Stage::default();
            pulse.watch(worker, sender, stage.clone());
            Self { mailbox, stage }
        }

        /// Answers what it was asked so far; says how often that was.
        fn work(&mut self) -> usize {
            let commands = std::iter::from_fn(|| self.mailbox.try_recv().ok());
            commands.filter_map(|c| matches!(c, Command::Beat(_)).then(|| c.answer())).count()
        }
    }

    impl Command {
        fn answer(self) {
            if let Self::Beat(answer) = self {
                let _ = answer.send(());
            }
        }
    }

    /// The lines of a log.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn lines_with(&self, words: &str) -> usize {
            String::from_utf8_lossy(&self.0.lock()).lines().filter(|l| l.contains(words)).count()
        }
    }

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_worker_that_does_not_answer_is_enough_and_is_named_once() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let _log = tracing::subscriber::set_default(subscriber);
        let pulse = Pulse::default();
        let (mut well, mut hangs) = (Double::of(&pulse, 0, 64), Double::of(&pulse, 1, 64));
        assert!(pulse.beat(), "nobody was asked before");
        well.work();
        hangs.work();
        assert!(pulse.beat());
        for _ in 0..100 {
            assert_eq!(well.work(), 1);
            assert!(!pulse.beat());
        }
        assert_eq!(hangs.work(), 1, "one question waits for it, not a hundred");
        well.work();
        assert!(pulse.beat(), "both have answered");
        assert_eq!(log.lines_with("does not answer"), 1);
        assert_eq!(log.lines_with("worker=1"), 2);
        assert_eq!(log.lines_with("answers again"), 1);
        assert_eq!(log.lines_with("worker=0"), 0);
    }

    #[test]
    fn a_worker_that_died_is_missed_and_one_that_was_let_go_is_not() {
        for (told, missed) in [(false, true), (true, false)] {
            let pulse = Pulse::default();
            let (mut stays, goes) = (Double::of(&pulse, 0, 64), Double::of(&pulse, 1, 64));
            assert!(pulse.beat());
            if told {
                assert!(goes.stage.pass(Stage::WORKS, Stage::LEAVES));
                assert!(goes.stage.pass(Stage::LEAVES, Stage::GONE));
            }
            drop(goes);
            for _ in 0..3 {
                stays.work();
                assert_eq!(pulse.beat(), !missed, "told: {told}");
            }
        }
    }

    #[test]
    fn a_full_mailbox_is_no_answer() {
        let pulse = Pulse::default();
        let mut worker = Double::of(&pulse, 0, 1);
        let sender = pulse.0.lock()[0].commands.clone();
        sender.try_send(Command::Leave).unwrap();
        assert!(!pulse.beat());
        worker.work();
        assert!(pulse.beat());
    }

    #[test]
    fn who_is_about_to_end_is_not_asked() {
        let pulse = Pulse::default();
        let worker = Double::of(&pulse, 0, 64);
        assert!(pulse.beat());
        pulse.forget();
        drop(worker);
        assert!(pulse.beat());
    }
}
