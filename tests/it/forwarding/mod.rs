//! A request on its way to the origin and an answer on its way back: bodies stream, fields are those
//! that they should be, upgrades become tunnels.

mod bodies;
mod continues;
mod fields;
mod lengths;
mod targets;
mod upgrades;
