//! Janua from the outside: one binary for all integration tests, a module for each subject.

mod config;
