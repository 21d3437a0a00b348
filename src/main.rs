//! The `janua` command; everything is in the library.

use std::process::ExitCode;

/// Chosen for throughput and resident memory together; see the README's measurements.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    janua::app::main()
}
