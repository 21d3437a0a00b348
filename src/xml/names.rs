//! How a name is written, taken apart and checked.

use super::chars::is_ncname;

/// Takes a name apart: prefix, empty if there is none, and the rest.
pub(super) fn parts(name: &str, longest: usize) -> Result<(&str, &str), &'static str> {
    if name.len() > longest {
        return Err("a name is too long");
    }
    let (prefix, local) = match name.split_once(':') {
        None => ("", name),
        Some(("", _)) => return Err(NO_NAME),
        Some(parts) => parts,
    };
    match (prefix.is_empty() || is_ncname(prefix)) && is_ncname(local) {
        true => Ok((prefix, local)),
        false => Err(NO_NAME),
    }
}

const NO_NAME: &str = "a name is none in XML";
