//! The stages by name, for people: the numbers are those of the list in [`super::run`].

/// A stage of the chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Framing, `Host`, target, sizes.
    Validate,
    /// The route; no effect yet.
    Find,
    /// IP and header lists.
    Access,
    /// Who is it.
    Identify,
    /// May they.
    Authorize,
    /// Rate, concurrency, quota.
    Limit,
    /// That there is no route is said here.
    Match,
    /// The request as the origin will see it.
    Prepare,
    /// The cache.
    Lookup,
    /// To the upstream, or nowhere.
    Forward,
    /// Header fields for the client.
    Answer,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::Validate,
        Self::Find,
        Self::Access,
        Self::Identify,
        Self::Authorize,
        Self::Limit,
        Self::Match,
        Self::Prepare,
        Self::Lookup,
        Self::Forward,
        Self::Answer,
    ];

    /// Its place, from 1.
    pub const fn number(self) -> usize {
        self as usize + 1
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Find => "find",
            Self::Access => "access",
            Self::Identify => "identify",
            Self::Authorize => "authorize",
            Self::Limit => "limit",
            Self::Match => "match",
            Self::Prepare => "prepare",
            Self::Lookup => "lookup",
            Self::Forward => "forward",
            Self::Answer => "answer",
        }
    }
}
