//! A configuration file: whatever it says, it is read or there is a report of what is wrong with it.
#![no_main]

use janua::config::{Loaded, Problems, show};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // What it includes would be read from this machine's disk.
    if text.contains("include") {
        return;
    }
    let env = |name: &str| (name == "SET").then(|| "value".to_owned());
    match Loaded::parse("fuzz.toml", text, &env) {
        Ok(loaded) => {
            let shown = show(&loaded.config);
            assert!(
                Loaded::parse("shown.toml", &shown, &env).is_ok() || shown.contains("***"),
                "{shown}"
            );
            loaded.report(Problems::new()).text(false);
        }
        Err(report) => {
            assert!(report.has_errors());
            report.text(true);
            report.json();
        }
    }
});
