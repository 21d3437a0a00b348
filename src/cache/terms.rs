//! How long a stored answer may be used: a stand-in until the rules say.

/// How long a stored answer may be used, and under what conditions; all times in seconds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Terms {
    /// How old it was when it came.
    pub age: u32,
    /// How long it is fresh.
    pub lifetime: u32,
    /// How long after that it may be used while it is validated.
    pub stale_while_revalidate: u32,
    /// How long after that it may be used because its origin fails.
    pub stale_if_error: u32,
    /// What else is to be obeyed.
    pub flags: u8,
}
