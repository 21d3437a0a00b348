//! Clients and origins that speak different languages.

mod door;
mod formats;
mod soap;
