//! What many small objects take.

#![expect(clippy::print_stdout, reason = "figures for who runs it")]

use std::fs;

use janua::cache::shelf::{Limits, Shelf};

use super::speed::{FIELDS, object};

const OBJECTS: u64 = 1_000_000;

/// Bytes of memory that the process has.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4_096
}

/// Puts so many, each with bodies of 100 to 300 bytes; bytes of keys, fields and bodies.
fn fill(shelf: &Shelf, range: std::ops::Range<u64>) -> u64 {
    let fields: usize = FIELDS.iter().map(|(name, value)| name.len() + value.len()).sum();
    let mut given = 0;
    for number in range {
        let target = format!("/assets/{number}/picture.webp");
        let body = 100 + (number.wrapping_mul(0x9E37_79B9) % 201) as usize;
        let key = shelf.stamps().seek(7, "https", "shop.example", &target).to_key();
        given += (key.url().len() + fields + body) as u64;
        shelf.put(key, object(shelf, body));
    }
    given
}

/// Prints the figures.
pub(super) fn print() {
    let before = resident();
    let shelf = Shelf::new(Limits { bytes: 4 << 30, variants: 8, bans: 1_000 });
    let given = fill(&shelf, 0..OBJECTS);
    let taken = resident() - before;
    let each = |bytes: u64| bytes as f64 / OBJECTS as f64;
    println!("{} objects of {:.1} bytes (URL, fields, body)", shelf.len(), each(given));
    println!("  resident {:.1} bytes each, {:.1} over", each(taken), each(taken) - each(given));
    let counted = shelf.bytes();
    let off = 100.0 * (counted as f64 / taken as f64 - 1.0);
    println!("  counted {:.1} bytes each: {off:+.1} % of what is resident", each(counted));
    // As many again come, and as many go.
    shelf.set_capacity(counted);
    fill(&shelf, OBJECTS..OBJECTS * 2);
    let (taken, counted) = (resident() - before, shelf.bytes());
    let off = 100.0 * (counted as f64 / taken as f64 - 1.0);
    let (here, gone) = (shelf.len(), shelf.evictions());
    println!(
        "  after {gone} evictions, with {here} objects: counted {off:+.1} % of what is resident"
    );
}
