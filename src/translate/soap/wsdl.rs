//! What a WSDL says of a service: its operations, how they are called, and what they take and give.

use std::{collections::HashMap, path::Path};

use super::{
    LoadError,
    names::{WSAM, WSAW, WSDL, WSDL_SOAP11, WSDL_SOAP12, XML_SCHEMA},
    schema::{Compiler, Complex, Content, Document, ElementUse, Group, Order, Part, Times, TypeId},
};
use crate::xml::{Element, Tree};

/// A version of SOAP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    Soap11,
    Soap12,
}

/// An operation as the WSDL has it.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) action: String,
    /// What WS-Addressing calls its request.
    pub(super) addressed: String,
    pub(super) version: Version,
    pub(super) input: Option<Root>,
    /// What it answers, if it answers.
    pub(super) output: Option<Root>,
    pub(super) faults: Vec<Root>,
}

/// The element that is the content of an envelope.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) namespace: Box<str>,
    pub(super) local: Box<str>,
    pub(super) written: Box<str>,
    pub(super) of: TypeId,
    pub(super) nillable: bool,
    /// Its name is the operation's, and many are not exact about its namespace.
    pub(super) rpc: bool,
}

/// What is chosen of a WSDL that has several services or ports.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Choice<'c> {
    pub(super) service: Option<&'c str>,
    pub(super) port: Option<&'c str>,
}

/// A file of the description.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'a> {
    pub(super) path: &'a Path,
    pub(super) tree: &'a Tree<'a>,
    pub(super) included_in: Option<&'a str>,
}

/// The schemas of a description, in the files and within the WSDL.
pub(super) fn schemas<'a>(files: &[File<'a>]) -> Vec<Document<'a>> {
    let mut found = Vec::new();
    for file in files {
        let root = &file.tree.root;
        let types = root.elements().filter(|part| part.name.is(WSDL, "types"));
        let inline = types.flat_map(Element::elements);
        let all = std::iter::once(root).chain(inline);
        for root in all.filter(|part| part.name.is(XML_SCHEMA, "schema")) {
            let target = root.attribute("targetNamespace").or(file.included_in).unwrap_or_default();
            found.push(Document { path: file.path, tree: file.tree, root, target });
        }
    }
    found
}

type Named<'a> = HashMap<(&'static str, &'a str, &'a str), (File<'a>, &'a Element<'a>)>;

/// Reads what is there to call.
pub(super) struct Description<'a, 'c> {
    named: Named<'a>,
    first: File<'a>,
    compiler: &'c mut Compiler<'a>,
}

/// A service's port: where it is, and how it is spoken to.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) service: String,
    /// The address that the WSDL says.
    pub(super) address: String,
    pub(super) operations: Vec<Described>,
}

impl<'a, 'c> Description<'a, 'c> {
    /// Looks through the files.
    pub(super) fn new(
        files: &[File<'a>],
        compiler: &'c mut Compiler<'a>,
    ) -> Result<Self, LoadError> {
        let first =
            *files.first().ok_or_else(|| LoadError::file(Path::new(""), "there is no file"))?;
        let mut named = HashMap::new();
        for file in files {
            let root = &file.tree.root;
            if !root.name.is(WSDL, "definitions") {
                if std::ptr::eq(file.tree, first.tree) {
                    return Err(wrong(*file, root, "this is no WSDL 1.1"));
                }
                continue;
            }
            let target = root.attribute("targetNamespace").unwrap_or_default();
            for part in root.elements().filter(|part| part.name.namespace == WSDL) {
                let kind = match part.name.local {
                    "message" => "message",
                    "portType" => "portType",
                    "binding" => "binding",
                    "service" => "service",
                    _ => continue,
                };
                let name = part.attribute("name").unwrap_or_default();
                named.entry((kind, target, name)).or_insert((*file, part));
            }
        }
        Ok(Self { named, first, compiler })
    }

    /// Reads the port that is chosen, with all that is wrong with its operations.
    pub(super) fn port(&mut self, choice: Choice<'_>) -> Result<Port, Vec<LoadError>> {
        let (file, service, port) = self.choose(choice).map_err(|error| vec![error])?;
        let (version, address) = address_of(port)
            .ok_or_else(|| vec![wrong(file, port, "this port does not speak SOAP")])?;
        let binding = self.refer(file, port, "binding", "binding").map_err(|error| vec![error])?;
        let operations = self.operations(binding, version)?;
        let service = service.attribute("name").unwrap_or_default().to_owned();
        Ok(Port { service, address: address.to_owned(), operations })
    }

    fn choose(
        &self,
        choice: Choice<'_>,
    ) -> Result<(File<'a>, &'a Element<'a>, &'a Element<'a>), LoadError> {
        let mut services: Vec<_> =
            self.named.iter().filter(|((kind, _, _), _)| *kind == "service").collect();
        services.sort_by_key(|((_, _, name), (_, part))| (part.at, *name));
        let names = |what: &str, names: Vec<&str>| {
            let names = names.join("`, `");
            LoadError::file(self.first.path, format!("has no {what}; there are `{names}`"))
        };
        let chosen = |name: &str, wanted: Option<&str>| wanted.is_none_or(|wanted| wanted == name);
        let found = services.iter().find(|((_, _, name), _)| chosen(name, choice.service));
        let (_, (file, service)) = *found.ok_or_else(|| match choice.service {
            None => LoadError::file(self.first.path, "describes no service"),
            Some(wanted) => names(
                &format!("service `{wanted}`"),
                services.iter().map(|((_, _, name), _)| *name).collect(),
            ),
        })?;
        let ports = || service.elements().filter(|part| part.name.is(WSDL, "port"));
        let name =
            |port: &Element<'_>| chosen(port.attribute("name").unwrap_or_default(), choice.port);
        let speaks = |port: &&Element<'a>| address_of(port).is_some();
        let port =
            ports().filter(|port| name(port)).find(|port| choice.port.is_some() || speaks(port));
        let port = port.ok_or_else(|| match choice.port {
            None => wrong(*file, service, "no port of this service speaks SOAP"),
            Some(wanted) => names(
                &format!("port `{wanted}`"),
                ports().filter_map(|port| port.attribute("name")).collect(),
            ),
        })?;
        Ok((*file, service, port))
    }

    /// The part that an attribute refers to.
    fn refer(
        &self,
        file: File<'a>,
        at: &'a Element<'a>,
        attribute: &str,
        kind: &'static str,
    ) -> Result<(File<'a>, &'a Element<'a>), LoadError> {
        let name = at.attribute(attribute);
        let name = name.ok_or_else(|| wrong(file, at, format!("it has no `{attribute}`")))?;
        let (namespace, local) = at
            .resolve(name)
            .ok_or_else(|| wrong(file, at, format!("the prefix of `{name}` is not bound")))?;
        let found = self.named.get(&(kind, namespace, local)).copied();
        found.ok_or_else(|| {
            wrong(file, at, format!("there is no {kind} `{local}` in `{namespace}`"))
        })
    }

    fn operations(
        &mut self,
        (file, binding): (File<'a>, &'a Element<'a>),
        version: Version,
    ) -> Result<Vec<Described>, Vec<LoadError>> {
        let port_type =
            self.refer(file, binding, "type", "portType").map_err(|error| vec![error])?;
        let soap = namespace(version);
        let all_rpc = binding.element(soap, "binding").and_then(|soap| soap.attribute("style"))
            == Some("rpc");
        let mut operations: Vec<Described> = Vec::new();
        let mut errors = Vec::new();
        for bound in binding.elements().filter(|part| part.name.is(WSDL, "operation")) {
            let name = bound.attribute("name").unwrap_or_default();
            if operations.iter().any(|other| other.name == name) {
                errors.push(wrong(file, bound, format!("there are two operations `{name}`")));
                continue;
            }
            let is = |part: &&Element<'a>| {
                part.name.is(WSDL, "operation") && part.attribute("name") == Some(name)
            };
            let Some(abstracted) = port_type.1.elements().find(is) else {
                errors.push(wrong(file, bound, format!("the portType has no operation `{name}`")));
                continue;
            };
            let operation = Bound { file, bound, port_type, abstracted, version, all_rpc };
            match self.operation(name, &operation) {
                Ok(operation) => operations.push(operation),
                Err(error) => errors.push(error),
            }
        }
        if operations.is_empty() && errors.is_empty() {
            errors.push(wrong(file, binding, "it has no operations"));
        }
        if errors.is_empty() { Ok(operations) } else { Err(errors) }
    }

    fn operation(&mut self, name: &'a str, of: &Bound<'a>) -> Result<Described, LoadError> {
        let soap = of.bound.element(namespace(of.version), "operation");
        let rpc = match soap.and_then(|soap| soap.attribute("style")) {
            None => of.all_rpc,
            Some(style) => style == "rpc",
        };
        let action = soap.and_then(|soap| soap.attribute("soapAction")).unwrap_or_default();
        let about = of.abstracted.element(WSDL, "documentation");
        let input = self.message(of, "input", rpc.then(|| name.to_owned()))?;
        let output = self.message(of, "output", rpc.then(|| format!("{name}Response")))?;
        let mut faults = Vec::new();
        for fault in of.abstracted.elements().filter(|part| part.name.is(WSDL, "fault")) {
            let (file, message) = self.refer(of.port_type.0, fault, "message", "message")?;
            let part = message.elements().find(|part| part.name.is(WSDL, "part"));
            if let Some(part) = part.filter(|part| part.attribute("element").is_some()) {
                faults.push(self.element(file, part)?);
            }
        }
        Ok(Described {
            name: name.to_owned(),
            about: about.map(|about| about.text().trim().to_owned()).unwrap_or_default(),
            action: action.to_owned(),
            addressed: addressed(name, action, of),
            version: of.version,
            input,
            output,
            faults,
        })
    }

    /// What one direction of an operation has in its envelope; the name is that of the element where
    /// the style is `rpc`.
    fn message(
        &mut self,
        of: &Bound<'a>,
        direction: &str,
        rpc: Option<String>,
    ) -> Result<Option<Root>, LoadError> {
        let Some(abstracted) = of.abstracted.element(WSDL, direction) else { return Ok(None) };
        let (file, message) = self.refer(of.port_type.0, abstracted, "message", "message")?;
        let soap = namespace(of.version);
        let body = of.bound.element(WSDL, direction).and_then(|bound| bound.element(soap, "body"));
        if let Some(body) = body
            && body.attribute("use") == Some("encoded")
        {
            return Err(wrong(
                of.file,
                body,
                "values encoded as SOAP does are not understood; the service has to speak `literal`",
            ));
        }
        let named = body.and_then(|body| body.attribute("parts"));
        let is_named = |part: &&Element<'a>| {
            let name = part.attribute("name").unwrap_or_default();
            named.is_none_or(|named| named.split_ascii_whitespace().any(|other| other == name))
        };
        let parts = message.elements().filter(|part| part.name.is(WSDL, "part")).filter(is_named);
        let mut parts: Vec<_> = parts.collect();
        if let Some(name) = rpc {
            let namespace = body.and_then(|body| body.attribute("namespace")).unwrap_or_default();
            return self.wrapper(file, &name, namespace, &parts).map(Some);
        }
        // Parts that are header fields, by what the binding says.
        if named.is_none() && parts.len() > 1 {
            let headers = of.bound.element(WSDL, direction).into_iter().flat_map(Element::elements);
            let headers: Vec<_> = headers
                .filter(|part| part.name.is(soap, "header"))
                .filter_map(|header| header.attribute("part"))
                .collect();
            parts.retain(|part| !headers.contains(&part.attribute("name").unwrap_or_default()));
        }
        match &parts[..] {
            [] => Ok(None),
            [part] => self.element(file, part).map(Some),
            [_, second, ..] => {
                Err(wrong(file, second, "an envelope of style `document` has one part"))
            }
        }
    }

    fn element(&mut self, file: File<'a>, part: &'a Element<'a>) -> Result<Root, LoadError> {
        let Some(name) = part.attribute("element") else {
            return Err(wrong(file, part, "a part of style `document` has to name an element"));
        };
        let (namespace, local) = part
            .resolve(name)
            .ok_or_else(|| wrong(file, part, format!("the prefix of `{name}` is not bound")))?;
        let found = self.compiler.element_named(namespace, local)?;
        let missing =
            || wrong(file, part, format!("there is no element `{local}` in `{namespace}`"));
        let ElementUse { namespace, local, written, of, nillable, .. } =
            found.ok_or_else(missing)?;
        Ok(Root { namespace, local, written, of, nillable, rpc: false })
    }

    /// The element that has the parts of an operation of style `rpc` in it.
    fn wrapper(
        &mut self,
        file: File<'a>,
        name: &str,
        namespace: &str,
        parts: &[&'a Element<'a>],
    ) -> Result<Root, LoadError> {
        let mut elements = Vec::new();
        for part in parts {
            let local = part.attribute("name").unwrap_or_default();
            let Some(of) = part.attribute("type") else {
                return Err(wrong(file, part, "a part of style `rpc` has to name a type"));
            };
            let document =
                Document { path: file.path, tree: file.tree, root: &file.tree.root, target: "" };
            elements.push(Part::Element(ElementUse {
                namespace: "".into(),
                local: local.into(),
                written: local.into(),
                of: self.compiler.type_by(document, part, of)?,
                times: Times::default(),
                nillable: false,
                member: 0,
            }));
        }
        let mut group = Group { order: Order::Sequence, times: Times::default(), parts: elements };
        let members =
            Complex::name_members(&mut group).map_err(|what| LoadError::file(file.path, what))?;
        let complex = Complex { content: Content::Elements(group), members, ..Complex::empty() };
        Ok(Root {
            namespace: namespace.into(),
            local: name.into(),
            written: self.compiler.written(namespace, name),
            of: self.compiler.made(name, complex)?,
            nillable: false,
            rpc: true,
        })
    }
}

/// An operation of a binding, with the one of the portType that it binds.
struct Bound<'a> {
    file: File<'a>,
    bound: &'a Element<'a>,
    port_type: (File<'a>, &'a Element<'a>),
    abstracted: &'a Element<'a>,
    version: Version,
    all_rpc: bool,
}

/// The action of an operation's request: the one that is said, that of SOAP, or what WS-Addressing makes of names.
fn addressed(name: &str, action: &str, of: &Bound<'_>) -> String {
    let input = of.abstracted.element(WSDL, "input");
    let mut said = [WSAM, WSAW].into_iter();
    let said = said.find_map(|namespace| input?.attribute_in(namespace, "Action"));
    if let Some(said) = said.or(Some(action)).filter(|said| !said.is_empty()) {
        return said.to_owned();
    }
    let (file, port_type) = of.port_type;
    let target = file.tree.root.attribute("targetNamespace").unwrap_or_default();
    let port_type = port_type.attribute("name").unwrap_or_default();
    let is_urn = target.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:"));
    let between = if is_urn { ":" } else { "/" };
    let first = if target.ends_with('/') { "" } else { between };
    // One that is answered has another name than one that is not, if it has none of its own.
    let answered = if of.abstracted.element(WSDL, "output").is_some() { "Request" } else { "" };
    let named = input.and_then(|input| input.attribute("name"));
    let named = named.map_or_else(|| format!("{name}{answered}"), str::to_owned);
    format!("{target}{first}{port_type}{between}{named}")
}

/// How a port is spoken to, and where it is.
fn address_of<'e>(port: &'e Element<'_>) -> Option<(Version, &'e str)> {
    let versions = [Version::Soap11, Version::Soap12];
    versions.into_iter().find_map(|version| {
        let address = port.element(namespace(version), "address")?;
        Some((version, address.attribute("location").unwrap_or_default()))
    })
}

/// Where a WSDL says things of a version.
const fn namespace(version: Version) -> &'static str {
    match version {
        Version::Soap11 => WSDL_SOAP11,
        Version::Soap12 => WSDL_SOAP12,
    }
}

fn wrong(file: File<'_>, at: &Element<'_>, what: impl Into<String>) -> LoadError {
    LoadError::at(file.path, file.tree.place(at.at), what)
}
