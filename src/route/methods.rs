//! The methods that a route takes, as a set that can be compared.
//!
//! In: `["GET", "POST"]`. Out: [`Methods`]. `GET` brings `HEAD` along (RFC 9110 9.3.2: a HEAD is
//! answered as the GET would be, without its content), but only as long as no route beside it names
//! `HEAD`; that "beside" is decided in `order`, with [`Methods::lends_head_to`].

use http::Method;

/// Which methods a route takes.
#[derive(Clone, Debug)]
pub(super) enum Methods {
    /// Any.
    Any,
    /// These. Never empty.
    Named {
        /// As they were written, sorted.
        named: Box<[Method]>,
        /// Whether `GET` brings `HEAD` along.
        head: bool,
    },
}

impl Methods {
    /// Reads the names; none of them means any method.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub(super) fn parse(names: &[String]) -> Result<Self, (String, Option<String>)> {
        let mut named = Vec::with_capacity(names.len());
        for name in names {
            let Ok(method) = Method::from_bytes(name.as_bytes()) else {
                let help = "write it like \"GET\"; leave `methods` out to take any".into();
                return Err((format!("`{name}` is not a method"), Some(help)));
            };
            if name.bytes().any(|byte| byte.is_ascii_lowercase()) {
                let what = format!("`{name}` is in lower case, and methods are told apart by case");
                return Err((what, Some(format!("write \"{}\"", name.to_ascii_uppercase()))));
            }
            named.push(method);
        }
        named.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        named.dedup();
        if named.is_empty() {
            return Ok(Self::Any);
        }
        let head = named.contains(&Method::GET) && !named.contains(&Method::HEAD);
        Ok(Self::Named { named: named.into(), head })
    }

    /// Whether this one is taken.
    #[inline]
    pub(super) fn take(&self, method: &Method) -> bool {
        match self {
            Self::Any => true,
            Self::Named { named, head } => {
                named.contains(method) || *head && method == Method::HEAD
            }
        }
    }

    /// The methods that are taken, unless any is.
    pub(super) fn list(&self) -> impl Iterator<Item = &Method> {
        let (named, head) = match self {
            Self::Any => (&[] as &[Method], false),
            Self::Named { named, head } => (&**named, *head),
        };
        named.iter().chain(head.then_some(&Method::HEAD))
    }

    /// Whether the other takes all that this one takes.
    pub(super) fn within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Any) => true,
            (Self::Any, Self::Named { .. }) => false,
            (Self::Named { .. }, Self::Named { .. }) => {
                self.list().all(|method| other.take(method))
            }
        }
    }

    /// Whether there is a method that both take.
    pub(super) fn meet(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Named { .. }, Self::Named { .. }) => {
                self.list().any(|method| other.take(method))
            }
        }
    }

    /// Whether the two have nothing in common but a `HEAD` that the other names and that this one
    /// only has because of its `GET`.
    pub(super) fn lends_head_to(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Named { named, head: true }, Self::Named { named: others, .. }) => {
                others.contains(&Method::HEAD) && !named.iter().any(|method| other.take(method))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods(names: &[&str]) -> Methods {
        let names: Vec<String> = names.iter().copied().map(String::from).collect();
        Methods::parse(&names).expect("methods")
    }

    #[test]
    fn get_brings_head_along() {
        assert!(methods(&["GET"]).take(&Method::HEAD));
        assert!(!methods(&["POST"]).take(&Method::HEAD));
        assert!(methods(&["GET", "HEAD"]).list().eq(&[Method::GET, Method::HEAD]));
        assert!(methods(&[]).take(&Method::TRACE));
    }

    #[test]
    fn sets_compare_by_what_they_take() {
        let (get, head, both) = (methods(&["GET"]), methods(&["HEAD"]), methods(&["HEAD", "GET"]));
        assert!(get.within(&both) && both.within(&get) && head.within(&get) && !get.within(&head));
        assert!(get.within(&methods(&[])) && !methods(&[]).within(&get));
        assert!(get.meet(&head) && !get.meet(&methods(&["PUT"])));
        assert!(get.lends_head_to(&head) && !head.lends_head_to(&get) && !get.lends_head_to(&both));
    }

    #[test]
    fn a_bad_method_says_what_to_write() {
        for (name, says) in
            [("get", "write \"GET\""), ("", "leave `methods` out"), ("A B", "write it like")]
        {
            let (_, help) = Methods::parse(&[name.into()]).expect_err(name);
            assert!(help.is_some_and(|help| help.contains(says)), "{name}");
        }
    }
}
