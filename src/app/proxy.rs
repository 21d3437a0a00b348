//! `janua proxy`: a gateway without a file.
//!
//! In: where to listen and where everything goes. Out: the configuration that says so, which is then
//! run like any other.

use clap::Args;
use toml::{Table, Value};

use super::Source;

/// Where to listen, and where everything goes.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Where everything goes; several take turns.
    #[arg(long, required = true, num_args = 1.., value_name = "URL")]
    to: Vec<String>,
    /// Where clients come in.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: String,
}

impl Arguments {
    /// The configuration.
    pub(super) fn source(self) -> Source {
        let Self { mut to, listen } = self;
        let mut root = Table::new();
        root.insert("admin".into(), table([("address", "off".into())]));
        root.insert("listener".into(), vec![table([("address", listen.into())])].into());
        let target = if to.len() == 1 {
            to.remove(0)
        } else {
            let origins = table([("endpoints", to.into())]);
            root.insert("upstream".into(), table([("origins", origins)]));
            "origins".into()
        };
        root.insert("route".into(), vec![table([("to", target.into())])].into());
        Source::Text("janua proxy".into(), root.to_string())
    }
}

fn table<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Table(pairs.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_several_origins_make_a_configuration() {
        let one = ["http://127.0.0.1:3000/base?\"'"].map(String::from);
        let two = ["http://127.0.0.1:3000", "http://127.0.0.1:3001"].map(String::from);
        let source = |to: &[String]| {
            Arguments { to: to.to_vec(), listen: "127.0.0.1:0".into() }.source().load()
        };
        assert!(source(&one[..1]).is_err());
        let loaded = source(&two[..1]).unwrap();
        assert!(loaded.config.upstream.is_empty());
        let loaded = source(&two).unwrap();
        assert_eq!(loaded.config.upstream["origins"].endpoints.len(), 2);
        assert_eq!(loaded.config.admin.address, "off");
    }
}
