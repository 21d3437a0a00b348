//! The method `mtls`: whoever showed a certificate in the TLS handshake.
//!
//! In: a certificate that the listener verified. Out: the principal that it stands for, made once for a
//! connection: another request costs a reference. A certificate that ends while its connection stays
//! open ends there too, and so does one that a resumed session brings along.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use serde_json::{Map, Value};

use super::{
    Ask, Found,
    key::parse_digest,
    principal::{Introduction, Principal},
    provider::Given,
};
use crate::{
    config::{self, CertificateName, Path, Problem, Problems},
    message::CertificateFacts,
    reject::Reject,
};

/// The certificates of a section.
#[derive(Debug)]
pub(super) struct Mtls {
    /// What a connection remembers is this one's.
    number: u64,
    subject: CertificateName,
    roles: Box<[Box<str>]>,
    /// Who may come; everybody whom the listener verified, if there is none.
    clients: Box<[config::MtlsClient]>,
    who: Principal,
    introduction: Introduction,
}

/// What a connection remembers.
#[derive(Debug)]
struct Made {
    who: Option<Arc<Principal>>,
    /// In milliseconds since 1970.
    ends: u64,
}

impl Mtls {
    /// Compiles the section at `at`; `who` is what all of its principals have in common.
    pub(super) fn compile(
        section: &config::Mtls,
        (who, introduction): (&Principal, &Introduction),
        _before: Option<&Self>,
        _given: &Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        for (index, client) in section.clients.iter().enumerate() {
            problems.keep(check(client, &at.key("clients").index(index)));
        }
        // Fingerprints are written in either case, and with colons between.
        let clients = section.clients.iter().cloned().map(|client| config::MtlsClient {
            fingerprint: client.fingerprint.as_deref().map(plain),
            ..client
        });
        Some(Self {
            number: NEXT.fetch_add(1, Relaxed),
            subject: section.subject,
            roles: section.roles.iter().map(|role| role.as_str().into()).collect(),
            clients: clients.collect(),
            who: who.clone(),
            introduction: introduction.clone(),
        })
    }

    /// Who it is.
    pub(super) fn look(&self, ask: &Ask<'_>) -> Found {
        let Some(certificate) = ask.certificate else { return Found::Absent };
        let made = certificate.remember(self.number, |facts| self.make(facts));
        match &made.who {
            _ if ask.wall >= made.ends => Found::Wrong(Reject::AuthMtlsExpired.into()),
            Some(who) => Found::Known(who.clone()),
            None => Found::Wrong(Reject::AuthMtlsUnknown.into()),
        }
    }

    fn make(&self, facts: Option<&CertificateFacts>) -> Made {
        let Some(facts) = facts else { return Made { who: None, ends: u64::MAX } };
        let ends = u64::try_from(facts.not_after).unwrap_or(0).saturating_add(1);
        let who = self.find(facts).map(|who| Arc::new(self.introduction.of(who)));
        Made { who, ends: ends.saturating_mul(1_000) }
    }

    fn find(&self, facts: &CertificateFacts) -> Option<Principal> {
        let subject = match self.subject {
            CertificateName::Cn => facts.cn.clone(),
            CertificateName::SanDns => facts.dns.first().cloned(),
            CertificateName::SanUri => facts.uris.first().cloned(),
            CertificateName::SanEmail => facts.emails.first().cloned(),
            CertificateName::Fingerprint => Some(facts.fingerprint.clone()),
        };
        let subject = subject.filter(|subject| !subject.is_empty())?;
        let known: Vec<_> = self.clients.iter().filter(|client| is_it(client, facts)).collect();
        if known.is_empty() && !self.clients.is_empty() {
            return None;
        }
        let of_client = |pick: fn(&config::MtlsClient) -> &[String]| {
            known.iter().flat_map(move |client| pick(client)).map(|word| Box::from(&**word))
        };
        let roles: BTreeSet<Box<str>> =
            self.roles.iter().cloned().chain(of_client(|client| &client.roles)).collect();
        let scopes: BTreeSet<Box<str>> = of_client(|client| &client.scopes).collect();
        Some(Principal {
            subject,
            roles: roles.into_iter().collect(),
            scopes: scopes.into_iter().collect(),
            claims: claims(facts),
            ..self.who.clone()
        })
    }
}

/// Whether all that is said of a client holds.
fn is_it(client: &config::MtlsClient, facts: &CertificateFacts) -> bool {
    let config::MtlsClient { fingerprint, cn, san, issuer, .. } = client;
    let holds = |wanted: &Option<String>, known: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| known == Some(wanted))
    };
    let has = |san: &String| {
        facts.dns.iter().any(|name| name.eq_ignore_ascii_case(san))
            || facts.uris.iter().chain(&facts.emails).any(|name| **name == **san)
    };
    holds(fingerprint, Some(&facts.fingerprint))
        && holds(cn, facts.cn.as_deref())
        && holds(issuer, facts.issuer_cn.as_deref())
        && san.as_ref().is_none_or(has)
}

/// All that a certificate says.
fn claims(facts: &CertificateFacts) -> Map<String, Value> {
    let list = |names: &[Box<str>]| Value::from_iter(names.iter().map(|name| &**name));
    let some = |name: &Option<Box<str>>| name.as_deref().map(Value::from);
    let claims = [
        ("fingerprint", Some(Value::from(&*facts.fingerprint))),
        ("serial", Some(Value::from(&*facts.serial))),
        ("subject", Some(Value::from(&*facts.subject))),
        ("cn", some(&facts.cn)),
        ("issuer", Some(Value::from(&*facts.issuer))),
        ("issuer-cn", some(&facts.issuer_cn)),
        ("san-dns", Some(list(&facts.dns))),
        ("san-uri", Some(list(&facts.uris))),
        ("san-email", Some(list(&facts.emails))),
        ("not-after", Some(Value::from(facts.not_after))),
    ];
    claims.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn plain(fingerprint: &str) -> String {
    fingerprint.replace(':', "").to_ascii_lowercase()
}

fn check(client: &config::MtlsClient, at: &Path) -> Result<(), Problem> {
    let config::MtlsClient { fingerprint, cn, san, issuer, .. } = client;
    if let Some(fingerprint) = fingerprint
        && parse_digest(&plain(fingerprint)).is_err()
    {
        let message = "a fingerprint is the SHA-256 of a certificate: 64 hexadecimal digits";
        let problem = Problem::error(at.key("fingerprint"), message);
        return Err(problem.help("`openssl x509 -in client.pem -noout -fingerprint -sha256`"));
    }
    if fingerprint.is_none() && cn.is_none() && san.is_none() && issuer.is_none() {
        let problem = Problem::error(at.clone(), "it does not say whose certificate it is");
        return Err(problem.help("add `fingerprint`, `cn`, `san` or `issuer`"));
    }
    Ok(())
}
