//! Who gets a copy of a route's requests, and how many.

use std::sync::Arc;

use super::{compile::Upstreams, target::Way};
use crate::{
    config::{self, Path, Percent, Problem, Problems},
    metrics::{Loading, MirrorMetrics},
};

/// Who gets a copy of a route's requests, and how many.
#[derive(Debug)]
pub struct Mirror {
    /// The way to it, with its own times: the route's are for those whom clients wait for.
    pub way: Way,
    /// The part of requests that it gets.
    pub share: Percent,
    /// Of so many equal chances.
    threshold: u64,
    /// Bytes of a body that is copied.
    pub max_body: usize,
    /// Copies at a time.
    pub max_in_flight: u32,
    /// What became of them; also by a name that a reload keeps.
    pub metrics: Arc<MirrorMetrics>,
}

impl Mirror {
    /// Compiles `mirror` of a route at `at`, if it has one; nothing if it is wrong.
    pub(super) fn compile(
        route: &config::Route,
        name: &str,
        upstreams: &Upstreams,
        metrics: &mut Loading<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Option<Arc<Self>>> {
        let Some(mirror) = &route.mirror else { return Some(None) };
        let before = problems.iter().len();
        let (table, at) = (mirror.table(), at.key("mirror"));
        let at_upstream = match mirror {
            config::Mirror::Name(_) => at.clone(),
            config::Mirror::Table(_) => at.key("upstream"),
        };
        let is_there = |name: &str| name == table.upstream;
        let goes_there = match &route.to {
            config::To::Name(to) if to != "echo" => is_there(to),
            to => match to.ways() {
                Some(ways) => ways.iter().any(|way| is_there(&way.upstream)),
                None => {
                    let message = "these requests go nowhere, so there is nothing to copy";
                    problems.push(Problem::error(at.clone(), message));
                    false
                }
            },
        };
        if goes_there {
            let message = format!("`{}` would get requests twice", table.upstream);
            let problem = Problem::error(at_upstream.clone(), message);
            problems.push(problem.help("a copy is for another upstream than `to` names"));
        }
        if table.max_in_flight == 0 {
            let problem = Problem::error(at.key("max-in-flight"), "nothing would be copied");
            problems.push(problem.help("to copy nothing, write `share = \"0%\"`"));
        }
        let way = Way::to(&table.upstream, None, upstreams, &at_upstream, problems);
        if problems.iter().len() > before {
            return None;
        }
        Some(Some(Arc::new(Self {
            way: way?,
            share: table.share,
            threshold: table.share.of(1 << 32),
            max_body: table.max_body.as_usize(),
            max_in_flight: table.max_in_flight,
            metrics: metrics.mirror(name),
        })))
    }

    /// Whether a request is among those that it gets; each call is about another one.
    pub fn is_chosen(&self) -> bool {
        u64::from(fastrand::u32(..)) < self.threshold
    }
}
