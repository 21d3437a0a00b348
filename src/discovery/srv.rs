//! `srv://_SERVICE._PROTOCOL.NAME`: the targets of a service (RFC 2782), with their ports, priorities and
//! weights, and the addresses of each.
//!
//! A target with several addresses is several endpoints, which share its weight.

use std::{convert::Infallible, net::IpAddr};

use futures_util::{StreamExt as _, stream};
use hickory_resolver::{
    TokioResolver,
    proto::rr::{Name, RData, RecordType, rdata::SRV},
};
use tokio::time::sleep;

use super::{
    Found,
    dns::{Answer, Asking, Memory, Wrong, name, shortest, trimmed},
    source::Source,
};
use crate::{
    config::{Discovery, Path, Problems, Scheme},
    dial::{Address, Place},
};

/// Targets whose addresses are asked for at the same time.
const AT_ONCE: usize = 8;

/// A service whose targets are endpoints.
#[derive(Debug)]
pub(super) struct Srv {
    name: Name,
    tls: bool,
    asking: Asking,
    memory: Memory,
    /// Targets that are looked at.
    most: usize,
}

impl Srv {
    pub(super) fn compile(
        rest: &str,
        (section, at): (&Discovery, &Path),
        problems: &mut Problems,
    ) -> Result<Option<Self>, Wrong> {
        let wrong = |message: &str| (message.to_owned(), "srv://_http._tcp.orders.internal");
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(':') {
            return Err(wrong("the port is in the record, and not here"));
        }
        let mut labels = rest.split('.');
        let service =
            labels.by_ref().take(2).all(|label| label.starts_with('_') && label.len() > 1);
        let name = name(rest).filter(|_| service && labels.next().is_some());
        let name =
            name.ok_or_else(|| wrong("it has to name a service, a protocol and a domain"))?;
        let Some(asking) = Asking::compile(section, at, problems) else { return Ok(None) };
        let most = usize::try_from(section.max_endpoints).unwrap_or(usize::MAX);
        let (tls, memory) = (section.scheme == Scheme::Https, Memory::default());
        Ok(Some(Self { name, tls, asking, memory, most }))
    }

    pub(super) async fn listen(&self, source: &Source) -> Result<Infallible, String> {
        let resolver = self.asking.resolver()?;
        loop {
            let records = self.asking.records(&resolver, &self.name, RecordType::SRV).await?;
            let ttl = shortest(&records);
            let targets = records.into_iter().filter_map(|record| target(record.data));
            let targets: Vec<_> = targets.take(self.most).collect();
            let answers = self.answers(&resolver, targets).await;
            let wrong = answers.iter().find_map(|(_, answer)| answer.wrong.clone());
            // One target that is not known is no reason to go without the others.
            let answered = answers.iter().any(|(_, answer)| answer.answered);
            if let (Some(wrong), false) = (&wrong, answered) {
                return Err(wrong.clone());
            }
            let times = answers.iter().filter_map(|(_, answer)| answer.ttl);
            let ttl = times.chain(ttl).min().filter(|_| wrong.is_none());
            source.deliver_partly(self.endpoints(&answers), wrong);
            sleep(self.asking.pause(ttl)).await;
        }
    }

    /// What DNS says of each target.
    async fn answers(&self, resolver: &TokioResolver, targets: Vec<SRV>) -> Vec<(SRV, Answer)> {
        self.memory.keep(|name| targets.iter().any(|target| target.target == *name));
        let asked = targets.into_iter().map(|target| async {
            let answer = self.asking.addresses(resolver, &target.target, &self.memory).await;
            (target, answer)
        });
        stream::iter(asked).buffer_unordered(AT_ONCE).collect().await
    }

    fn endpoints(&self, answers: &[(SRV, Answer)]) -> Vec<Found> {
        // 0 is for services where there is no choice: the smallest share, not none.
        let sizes = answers.iter().map(|(srv, it)| (srv.weight.max(1), it.addresses.len()));
        let weights = shared(&sizes.collect::<Vec<_>>());
        let of = |((target, answer), weight): (&(SRV, Answer), u16)| {
            let name = target.target.to_utf8();
            let endpoint = |ip: &IpAddr| {
                let place = Place::Ip(*ip, target.port);
                let address = Address::found(place, self.tls, Some(trimmed(&name))).ok()?;
                Some(Found { weight, priority: target.priority, ..Found::at(address) })
            };
            answer.addresses.iter().filter_map(endpoint).collect::<Vec<_>>()
        };
        answers.iter().zip(weights).flat_map(of).collect()
    }
}

/// What each address of a target weighs, by the target's weight and the number of its addresses: all of them
/// together as much as it says beside the others. As it is written, where each has one.
fn shared(targets: &[(u16, usize)]) -> Vec<u16> {
    let count = |addresses: usize| addresses.max(1) as u64;
    // What all numbers of addresses divide, if that is not too much.
    let common = targets.iter().fold(1, |all, (_, addresses)| {
        let count = count(*addresses);
        (all / gcd(all, count) * count).min(1 << 20)
    });
    let each = |(weight, addresses): &(u16, usize)| f64::from(*weight) / count(*addresses) as f64;
    let most = targets.iter().map(each).fold(1.0, f64::max);
    let scale = (common as f64).min(f64::from(u16::MAX) / most);
    targets.iter().map(|target| (each(target) * scale).round().max(1.0) as u16).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The target of a record; `.` says that the service is not offered.
fn target(data: RData) -> Option<SRV> {
    match data {
        RData::SRV(srv) if !srv.target.is_root() && srv.port > 0 => Some(srv),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_share_the_weight_of_their_target() {
        for (targets, expected) in [
            (&[][..], &[][..]),
            (&[(30, 1), (10, 1)], &[30, 10]),
            (&[(3, 2), (3, 1)], &[3, 6]),
            (&[(10, 4), (10, 6), (10, 1)], &[30, 20, 120]),
            (&[(65_535, 1), (65_535, 3)], &[65_535, 21_845]),
            (&[(65_535, 1), (1, 1_000)], &[65_535, 1]),
            (&[(1, 0), (2, 1)], &[1, 2]),
        ] {
            assert_eq!(shared(targets), expected, "{targets:?}");
        }
    }

    proptest! {
        #[test]
        fn what_all_of_a_target_have_is_what_it_says(
            targets in prop::collection::vec((1_u16..=1_000, 1_usize..=9), 1..20),
        ) {
            let whole = |(weight, (_, count)): (&u16, &(u16, usize))| {
                f64::from(*weight) * *count as f64
            };
            let wholes: Vec<_> = shared(&targets).iter().zip(&targets).map(whole).collect();
            let sum: f64 = wholes.iter().sum();
            let said: f64 = targets.iter().map(|(weight, _)| f64::from(*weight)).sum();
            for (whole, (weight, _)) in wholes.iter().zip(&targets) {
                let error = whole / sum - f64::from(*weight) / said;
                prop_assert!(error.abs() < 0.005, "{}: {:?}", error, targets);
            }
        }
    }
}
