//! Keeping house: the lock, what there was before the start, purges, and the bound of bytes.

use std::{io, sync::atomic::Ordering::Relaxed, thread, time::Duration};

use super::{
    BANS, Disk, Known, Missed, State, Tier,
    folder::{Folder, Listed},
    form::Broken,
    index::{Candidate, taken},
    name::{self, Filed},
    purges::{self, Purged, Unreadable},
};
use crate::{
    cache::{
        ban::{Full, Reach, Sentence},
        shelf::Url,
    },
    worker::wall,
};

/// How often somebody looks whether the folder is free.
const LOOK: Duration = Duration::from_secs(1);
/// How often the house is kept if nobody asks for it.
const REST: Duration = Duration::from_secs(30);
/// Files that are looked at before others have their turn.
const SOME: usize = 64;

impl Disk {
    /// Makes void what is kept of this, for good before it returns. It blocks. `then` makes it void elsewhere, before
    /// any file gets its name that counts as compared with this.
    pub(in crate::cache) fn purge(
        &self,
        reach: &Reach,
        soft: bool,
        then: impl FnOnce() -> Result<(), Full>,
    ) -> Result<(), Full> {
        let tier = &self.0;
        let _publishing = tier.publishing.lock();
        let one = match reach {
            Reach::Url(url) if !soft => Some(name::of_url(&tier.seal, url)),
            _ => None,
        };
        let waits = {
            let mut known = tier.known.lock();
            let waits = known.state == State::Waiting;
            let many = known.missed.bans.len().max(tier.bans.read().len());
            if one.is_none() && *reach != Reach::All && many >= BANS {
                return Err(Full { most: BANS });
            }
            if waits && one.is_none() {
                known.missed.bans.push((reach.clone(), soft));
            }
            waits
        };
        match one {
            Some(url) => tier.purge_url(url, waits),
            None if waits => {}
            None => {
                if let Err(error) = tier.note(reach, soft) {
                    tier.health.failed(&tier.folder.purges(), &error);
                    // What is not written down must not come back: better nothing at all.
                    tier.remove_all();
                } else if *reach == Reach::All && !soft {
                    let all = std::mem::take(&mut tier.known.lock().index);
                    all.into_files().for_each(|filed| tier.doom(filed));
                }
                tier.wake();
            }
        }
        then()
    }
}

impl Tier {
    pub(super) fn keep_house(&self) {
        if !self.take_over() {
            return;
        }
        self.find_all();
        loop {
            self.make_room(0);
            if self.bans.read().len() > 0 && !self.health.is_off() {
                self.sweep();
            }
            if !self.news.rest(REST) {
                return;
            }
        }
    }

    /// Waits until this process may use the folder; not if the end comes first.
    fn take_over(&self) -> bool {
        let mut said = false;
        loop {
            match self.try_to_take_over() {
                Ok(true) => return true,
                Ok(false) if !said => {
                    said = true;
                    let path = self.folder.path().display();
                    tracing::warn!(%path, "the cache is without its disk: another process, which has to end first, uses the folder");
                }
                Ok(false) => {}
                Err(error) => self.health.failed(self.folder.path(), &error),
            }
            self.news.rest(LOOK);
            if self.is_over() {
                return false;
            }
        }
    }

    fn try_to_take_over(&self) -> io::Result<bool> {
        if self.lock.lock().is_none() {
            let Some(lock) = self.folder.lock()? else { return Ok(false) };
            *self.lock.lock() = Some(lock);
        }
        if !self.folder.is_marked_by(&self.secrets) {
            tracing::warn!(path = %self.folder.path().display(), "the cache's folder begins anew: what is in it cannot be used");
            self.folder.begin_anew(&self.secrets)?;
        }
        self.folder.tidy()?;
        let _publishing = self.publishing.lock();
        let before = match purges::read(&self.folder.purges(), &self.seal)? {
            Ok(before) => before,
            Err(Unreadable) => {
                let why = "what was purged cannot be read: all goes";
                self.health.damaged(&self.folder.purges(), why);
                self.folder.begin_anew(&self.secrets)?;
                self.folder.tidy()?;
                Vec::new()
            }
        };
        for Purged { number, soft, reach } in before {
            self.newest.fetch_max(number, Relaxed);
            if let Some(reach) = reach {
                self.ban(number, &reach, soft);
            }
        }
        let missed = std::mem::take(&mut self.known.lock().missed.bans);
        let noted = missed.into_iter().try_for_each(|(reach, soft)| self.note(&reach, soft));
        let mut known = self.known.lock();
        known.missed.all |= noted.is_err();
        known.state = State::Reading;
        Ok(true)
    }

    fn ban(&self, number: u64, reach: &Reach, soft: bool) {
        // There is room: a file has no more than there may be, and then one for each that was missed.
        let _ = self.bans.write().add(number, reach.clone(), soft, 2 * BANS);
    }

    /// Writes a purge down; from then on it holds.
    fn note(&self, reach: &Reach, soft: bool) -> io::Result<()> {
        let number = self.newest.load(Relaxed) + 1;
        let purged = Purged { number, soft, reach: Some(reach.clone()) };
        // For this process it holds whatever becomes of the file.
        self.ban(number, reach, soft);
        self.newest.store(number, Relaxed);
        purges::add(&self.folder.purges(), &purged, &self.seal)
    }

    /// Finds out what was there before the start.
    fn find_all(&self) {
        let mut found = Vec::new();
        for part in Folder::parts() {
            if self.is_over() {
                return;
            }
            match self.folder.list(part) {
                Ok(listed) => found.extend(listed),
                Err(error) => self.health.failed(self.folder.path(), &error),
            }
        }
        found.sort_by_key(|listed| listed.used);
        let (files, newest) = (found.len(), self.newest.load(Relaxed));
        // Numbers that were never given out: the file of purges was lost, and with it what was purged.
        let lost = found.iter().any(|listed| listed.filed.number > newest);
        for (number, some) in (0..).zip(found.chunks(SOME)) {
            // Workers want this lock, too.
            let gone = self.known.lock().take_in(some, number * SOME as u64, lost);
            gone.into_iter().for_each(|filed| self.doom(filed));
        }
        {
            let mut known = self.known.lock();
            known.missed = Missed::default();
            known.state = State::Ready;
        }
        let path = self.folder.path().display();
        tracing::info!(%path, files, "the cache's disk is ready");
    }

    /// Removes the files of a URL before it returns, also those that are not known yet.
    fn purge_url(&self, url: u64, waits: bool) {
        self.invalidate(url);
        if waits {
            return;
        }
        match self.folder.list(url) {
            Ok(listed) => {
                let these = listed.iter().filter(|listed| listed.filed.name.url == url);
                these.for_each(|listed| self.remove(&listed.filed));
            }
            Err(error) => self.health.failed(self.folder.path(), &error),
        }
    }

    fn remove_all(&self) {
        let all = {
            let mut known = self.known.lock();
            known.missed(|missed| missed.all = true);
            std::mem::take(&mut known.index)
        };
        all.into_files().for_each(|filed| self.remove(&filed));
    }

    /// Compares all with what was purged until now, and then forgets that.
    fn sweep(&self) {
        let upto = self.newest.load(Relaxed);
        let mut last = None;
        loop {
            let some = self.known.lock().index.after(last, SOME);
            let Some(end) = some.last() else { break };
            last = Some(end.filed.name);
            let since = std::time::Instant::now();
            some.iter()
                .filter(|candidate| candidate.number < upto)
                .for_each(|candidate| self.compare(candidate, upto));
            if self.is_over() || self.health.is_off() {
                return;
            }
            thread::sleep(since.elapsed().min(LOOK));
        }
        // What waits to be removed would be there again after a kill, with nothing that says that it is void.
        if !self.until_removed() {
            return;
        }
        let _publishing = self.publishing.lock();
        let newest = self.newest.load(Relaxed);
        let left: Vec<_> = {
            let mut bans = self.bans.write();
            bans.forget(upto);
            let number = Purged { number: newest, soft: false, reach: None };
            let left = bans.list().map(|(number, reach, soft)| {
                let reach = Some(reach.clone());
                Purged { number, soft, reach }
            });
            std::iter::once(number).chain(left).collect()
        };
        if let Err(error) = purges::write(&self.folder.purges(), left.iter(), &self.seal) {
            self.health.failed(&self.folder.purges(), &error);
        }
    }

    /// Compares a file with purges.
    fn compare(&self, candidate: &Candidate, upto: u64) {
        let filed = candidate.filed;
        let held = match self.open(&filed) {
            Ok((_, held)) => held,
            Err(broken) => return self.give_up(&filed, broken),
        };
        let object = held.object(Vec::new(), 0, wall());
        let url = Url::read(&held.key.1);
        let sentence = self.bans.read().judge(&object, &url, candidate.number);
        let now = match sentence {
            Sentence::Hard => return self.forget_file(&filed),
            Sentence::Soft => Filed { number: upto, soft: true, ..filed },
            Sentence::None => filed,
        };
        // Where files get their names, so that this is the one that has it.
        let _publishing = self.publishing.lock();
        if self.known.lock().index.get(&filed.name) != Some(filed) {
            return;
        }
        if now != filed
            && let Err(error) = std::fs::rename(self.path(&filed), self.path(&now))
        {
            return self.give_up(&filed, Broken::Failed(error));
        }
        self.known.lock().index.compared(&filed, now, upto);
    }
}

impl Known {
    /// Takes in some of what was found, in the order of their use, from this place on; what has to go instead.
    fn take_in(&mut self, found: &[Listed], from: u64, lost: bool) -> Vec<Filed> {
        let nothing = lost || self.missed.all;
        let mut gone = Vec::new();
        for (at, Listed { filed, length, .. }) in (from..).zip(found) {
            match self.index.get(&filed.name) {
                // It was written since.
                Some(now) if now == *filed => {}
                _ if nothing || self.missed.urls.contains(&filed.name.url) => gone.push(*filed),
                Some(_) if self.index.is_new(&filed.name) => gone.push(*filed),
                // Of what was there before, the one that was used last.
                Some(other) => {
                    gone.push(other);
                    self.index.insert_old(*filed, taken(*length), at);
                }
                None => self.index.insert_old(*filed, taken(*length), at),
            }
        }
        gone
    }
}
