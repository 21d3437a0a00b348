//! A session's claims, renewed by its refresh token: by one request, of all gateways that share it.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{
    Shared,
    idp::Tokens,
    sessions::{Record, Session, Shown, Turn},
};
use crate::{auth::principal::Principal, reject::Reject};

/// After so long it is worth trying again when the provider is not there, in milliseconds.
pub(super) const AGAIN: u64 = 30_000;

impl Shared {
    /// Renews a session's claims. One whose provider says no ends; one whose provider is not there goes
    /// on, and is tried again.
    pub(super) async fn refresh(
        &self,
        shown: &Shown,
        session: Arc<Session>,
        wall: u64,
    ) -> Result<Arc<Principal>, Reject> {
        let times = (&self.limits, wall);
        // Whoever takes the turn has done with it by then, or is gone.
        let longest = Duration::from_millis(AGAIN).max(2 * self.idp.patience());
        let session = match self.sessions.take(shown, session, longest, times).await? {
            Turn::Ours(session) => session,
            Turn::Others(who) => return Ok(who),
        };
        match self.renewed(&session, wall).await {
            Ok((record, who)) => {
                self.metrics.refreshes.inc();
                self.sessions.renew(shown, record, who.clone(), times).await?;
                self.sessions.give_back(shown).await;
                Ok(who)
            }
            // Nobody need try again at once.
            Err(Reject::AuthOidcUnavailable) => {
                self.metrics.refresh_failures.inc();
                Ok(session.who.clone())
            }
            Err(_) => {
                self.metrics.refresh_failures.inc();
                self.sessions.remove(shown).await?;
                self.sessions.give_back(shown).await;
                self.count();
                Err(Reject::AuthOidcSession)
            }
        }
    }

    /// What the provider makes of a session's refresh token.
    async fn renewed(
        &self,
        session: &Session,
        wall: u64,
    ) -> Result<(Record, Arc<Principal>), Reject> {
        let mut record = session.record.clone();
        let token = record.refresh_token.take().ok_or(Reject::AuthOidcUnavailable)?;
        let grant = [("grant_type", "refresh_token"), ("refresh_token", &token)];
        let subject = Some(record.text("sub").unwrap_or_default());
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(Reject::AuthOidcUnavailable);
        };
        let tokens = self.idp.tokens(&grant, None, subject, wall);
        let tokens = timeout(self.idp.patience(), tokens).await;
        let Tokens { claims, id_token, refresh_token, end } =
            tokens.unwrap_or(Err(Reject::AuthOidcUnavailable))?;
        record.claims = claims.unwrap_or(record.claims);
        record.id_token = id_token.unwrap_or(record.id_token);
        record.refresh_token = Some(refresh_token.unwrap_or(token));
        // Never again at once, whatever the provider says.
        record.due = end.map(|end| end.max(wall.saturating_add(1_000)));
        let who = self.principal(record.claims.clone())?;
        Ok((record, who))
    }
}
