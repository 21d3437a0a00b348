//! How much: rates, how many at a time, and what happens to those who want more, as a client sees it.

mod addresses;
mod answers;
mod problems;
mod quotas;
mod waits;
