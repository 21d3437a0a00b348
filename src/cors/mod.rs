//! Pages of other origins: which of them may use a route (the CORS protocol of the Fetch standard).
//!
//! In: what a browser says of the page. Out: the fields that tell the browser what the page may. A request is never
//! refused for its page, since anybody may say anything of it: only what a browser asks ahead is answered by a
//! refusal.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
        ORIGIN, VARY,
    },
};

use crate::config::{self, Path, Problem, Problems};

/// Bytes of what a page asks to send.
const MOST_ASKED: usize = 4 << 10;

/// What scripts that speak gRPC-Web read of an answer.
const WEB: [&str; 3] = ["grpc-status", "grpc-message", "grpc-status-details-bin"];

/// Which pages may use a route, and how.
#[derive(Debug)]
pub struct Cors {
    origins: Origins,
    methods: Box<[Method]>,
    /// Fields that pages may send; all, if none is named.
    fields: Box<[HeaderName]>,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

#[derive(Debug)]
enum Origins {
    Any,
    These(Box<[Origin]>),
}

/// Where pages are from.
#[derive(Debug)]
enum Origin {
    One(Box<str>),
    /// What stands before and behind the names below a domain.
    Below(Box<str>, Box<str>),
}

/// What a browser asks before a page's request.
#[derive(Debug)]
pub struct Preflight {
    /// The method of the request to come.
    pub method: Method,
}

/// Why a page may not do what a browser asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Forbidden(pub &'static str);

impl Preflight {
    /// What is asked, if a request that is an `OPTIONS` asks it.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get(ORIGIN)?;
        let method = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        Some(Self { method: Method::from_bytes(method.as_bytes()).ok()? })
    }
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        if text == "null" {
            return Some(Self::One(text.into()));
        }
        let (scheme, authority) = text.split_once("://")?;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        let is_host = |host: &str| !host.is_empty() && host.bytes().all(good);
        if !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
            return None;
        }
        match authority.strip_prefix('*') {
            Some(below) if below.starts_with('.') && is_host(&below[1..]) => {
                Some(Self::Below(format!("{scheme}://").into(), below.into()))
            }
            None if is_host(authority) => Some(Self::One(text.into())),
            _ => None,
        }
    }

    fn takes(&self, origin: &str) -> bool {
        match self {
            Self::One(one) => **one == *origin,
            Self::Below(scheme, domain) => {
                let below =
                    origin.strip_prefix(&**scheme).and_then(|it| it.strip_suffix(&**domain));
                let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
                below.is_some_and(|below| !below.is_empty() && below.bytes().all(good))
            }
        }
    }
}

impl Cors {
    /// Compiles a section of a route that takes these methods, and whose clients speak gRPC-Web or not.
    pub fn compile(
        section: &config::Cors,
        (methods, web): (&[String], bool),
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let origins = origins(section, at, problems);
        let methods = if section.methods.is_empty() { methods } else { &section.methods.0 };
        let read = methods.iter().filter_map(|text| {
            let method = Method::from_bytes(text.as_bytes());
            let what = || format!("`{text}` is no method");
            problems.keep(method.map_err(|_| Problem::error(at.key("methods"), what())))
        });
        let methods: Vec<_> = read.collect();
        let mut names = |names: &[String], key: &'static str| {
            let read = names.iter().enumerate().filter_map(|(index, text)| {
                let name = HeaderName::from_bytes(text.as_bytes());
                let what = || format!("`{text}` is no name of a header field");
                problems.keep(name.map_err(|_| Problem::error(at.key(key).index(index), what())))
            });
            read.collect::<Vec<_>>()
        };
        let fields = names(&section.headers, "headers").into();
        let mut expose = names(&section.expose, "expose");
        if web {
            expose.extend(WEB.map(HeaderName::from_static));
        }
        let max_age = section.max_age.0.as_secs().into();
        let expose = (!expose.is_empty()).then(|| list(expose.iter().map(HeaderName::as_str)));
        let (methods, credentials) = (methods.into(), section.credentials);
        Some(Self {
            origins: origins?,
            methods,
            fields,
            expose: expose.flatten(),
            credentials,
            max_age,
        })
    }

    /// Whether pages from there may use the route.
    fn takes(&self, origin: &HeaderValue) -> bool {
        match &self.origins {
            Origins::Any => true,
            Origins::These(all) => {
                origin.to_str().is_ok_and(|origin| all.iter().any(|one| one.takes(origin)))
            }
        }
    }

    /// The fields that answer what a browser asks ahead.
    ///
    /// # Errors
    /// The page may not do it, and why.
    pub fn answer(&self, asked: &Preflight, headers: &HeaderMap) -> Result<HeaderMap, Forbidden> {
        if !headers.get(ORIGIN).is_some_and(|origin| self.takes(origin)) {
            return Err(Forbidden("pages of this origin may not use it"));
        }
        if !self.methods.is_empty() && !self.methods.contains(&asked.method) {
            return Err(Forbidden("pages may not use this method"));
        }
        let fields = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        if !fields.is_none_or(|fields| self.takes_fields(fields)) {
            return Err(Forbidden("pages may not send these header fields"));
        }
        let mut answer = HeaderMap::with_capacity(5);
        let methods = match self.methods.is_empty() {
            true => HeaderValue::from_str(asked.method.as_str()).ok(),
            false => list(self.methods.iter().map(Method::as_str)),
        };
        answer.extend(methods.map(|methods| (ACCESS_CONTROL_ALLOW_METHODS, methods)));
        answer.extend(fields.map(|fields| (ACCESS_CONTROL_ALLOW_HEADERS, fields.clone())));
        answer.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        let vary = "access-control-request-method, access-control-request-headers";
        answer.append(VARY, HeaderValue::from_static(vary));
        Ok(answer)
    }

    fn takes_fields(&self, asked: &HeaderValue) -> bool {
        let Some(asked) = asked.to_str().ok().filter(|asked| asked.len() <= MOST_ASKED) else {
            return false;
        };
        let mut names = asked.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.all(|name| match self.fields.is_empty() {
            true => HeaderName::from_bytes(name.as_bytes()).is_ok(),
            false => self.fields.iter().any(|known| known.as_str().eq_ignore_ascii_case(name)),
        })
    }

    /// Says in an answer what a page may that is from there; what the origin of the answer says of that does not
    /// count.
    pub fn sign(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
        ] {
            answer.remove(name);
        }
        if matches!(self.origins, Origins::Any) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            // Who keeps it must not give one page what is another's.
            answer.append(VARY, HeaderValue::from_static("origin"));
            let Some(origin) = origin.filter(|origin| self.takes(origin)) else { return };
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        if self.credentials {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(expose) = &self.expose {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    /// What a page may that is from there, for people.
    pub fn describe(&self, origin: &HeaderValue) -> String {
        let may = if self.takes(origin) { "may" } else { "may not" };
        format!("pages of {} {may} read the answer", String::from_utf8_lossy(origin.as_bytes()))
    }
}

fn origins(section: &config::Cors, at: &Path, problems: &mut Problems) -> Option<Origins> {
    let at = at.key("origins");
    if section.origins.is_empty() {
        let problem = Problem::error(at, "no page may use it");
        problems.push(problem.help("origins = \"https://app.example\", or \"*\" for any"));
        return None;
    }
    if section.origins.iter().any(|origin| origin == "*") {
        if section.credentials {
            let what = "pages of any origin would read what the browser's credentials open";
            let help = "name the origins, or take `credentials` away";
            problems.push(Problem::error(at, what).help(help));
        }
        return Some(Origins::Any);
    }
    let mut found = Vec::new();
    for (index, text) in section.origins.iter().enumerate() {
        match Origin::parse(text) {
            Some(origin) => found.push(origin),
            None => {
                let problem = Problem::error(at.index(index), format!("`{text}` is no origin"));
                let help =
                    "scheme, host and port: \"https://app.example\", \"https://*.example.com\"";
                problems.push(problem.help(help));
            }
        }
    }
    Some(Origins::These(found.into()))
}

fn list<'t>(words: impl Iterator<Item = &'t str>) -> Option<HeaderValue> {
    HeaderValue::try_from(words.collect::<Vec<_>>().join(", ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_taken_by_its_name_or_by_what_it_is_below() {
        for (written, origin, taken) in [
            ("https://a.example", "https://a.example", true),
            ("HTTPS://A.example", "https://a.example", true),
            ("https://a.example", "http://a.example", false),
            ("https://a.example", "https://a.example:8443", false),
            ("https://a.example:8443", "https://a.example:8443", true),
            ("https://a.example", "https://a.example.evil", false),
            ("https://*.a.example", "https://b.a.example", true),
            ("https://*.a.example", "https://c.b.a.example", true),
            ("https://*.a.example", "https://a.example", false),
            ("https://*.a.example", "https://.a.example", false),
            ("https://*.a.example", "https://eviLa.example", false),
            ("https://*.a.example", "https://evil/.a.example", false),
            ("https://*.a.example", "https://evil:1.a.example", false),
            ("http://[::1]:3000", "http://[::1]:3000", true),
            ("null", "null", true),
            ("https://a.example", "null", false),
        ] {
            let one = Origin::parse(written).unwrap();
            assert_eq!(one.takes(origin), taken, "{written} {origin}");
        }
        for nonsense in [
            "",
            "a.example",
            "https://",
            "https://a/",
            "https://a b",
            "https://*",
            "https://*a.example",
            "*.a",
        ] {
            assert!(Origin::parse(nonsense).is_none(), "{nonsense}");
        }
    }
}
