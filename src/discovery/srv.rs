//! `srv://_SERVICE._PROTOCOL.NAME`: the targets of a service (RFC 2782), with their ports, priorities and
//! weights, and the addresses of each.
//!
//! A target with several addresses is several endpoints, each with its weight.

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
        Ok(Some(Self { name, tls: section.scheme == Scheme::Https, asking, most }))
    }

    pub(super) async fn listen(&self, source: &Source) -> Result<Infallible, String> {
        let resolver = self.asking.resolver()?;
        let memory = Memory::default();
        loop {
            let records = self.asking.records(&resolver, &self.name, RecordType::SRV).await?;
            let mut ttl = shortest(&records);
            let targets = records.into_iter().filter_map(|record| target(record.data));
            let targets: Vec<_> = targets.take(self.most).collect();
            let (mut found, mut wrong) = (Vec::new(), None);
            for (target, answer) in self.answers(&resolver, targets, &memory).await {
                match answer {
                    Ok(answer) => {
                        ttl = ttl.into_iter().chain(answer.ttl).min();
                        found.extend(self.endpoints(&target, &answer));
                    }
                    Err(error) => wrong = Some(error),
                }
            }
            // One target that is not known is no reason to go without the others.
            match wrong {
                Some(wrong) if found.is_empty() => return Err(wrong),
                Some(_) | None => source.deliver(found),
            }
            sleep(self.asking.pause(ttl)).await;
        }
    }

    /// What DNS says of each target.
    async fn answers(
        &self,
        resolver: &TokioResolver,
        targets: Vec<SRV>,
        memory: &Memory,
    ) -> Vec<(SRV, Result<Answer, String>)> {
        memory.keep(|name| targets.iter().any(|target| target.target == *name));
        let asked = targets.into_iter().map(|target| async {
            let answer = self.asking.addresses(resolver, &target.target, memory).await;
            (target, answer)
        });
        stream::iter(asked).buffer_unordered(AT_ONCE).collect().await
    }

    fn endpoints(&self, target: &SRV, answer: &Answer) -> Vec<Found> {
        let name = target.target.to_utf8();
        let endpoint = |ip: &IpAddr| {
            let place = Place::Ip(*ip, target.port);
            let address = Address::found(place, self.tls, Some(trimmed(&name))).ok()?;
            // 0 is for services where there is no choice: the smallest share, not none.
            let weight = target.weight.max(1);
            Some(Found { weight, priority: target.priority, ..Found::at(address) })
        };
        answer.addresses.iter().filter_map(endpoint).collect()
    }
}

/// The target of a record; `.` says that the service is not offered.
fn target(data: RData) -> Option<SRV> {
    match data {
        RData::SRV(srv) if !srv.target.is_root() && srv.port > 0 => Some(srv),
        _ => None,
    }
}
