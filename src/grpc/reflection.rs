//! Server reflection: what a server says of its own types.
//!
//! In: answers to questions that are made here. Out: a set of descriptors with all that the server's services
//! need, in the order in which they need each other. Who asks, and how, is not known here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use http::{HeaderMap, uri::PathAndQuery};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value};
use protox::{Compiler, file::File};

use super::{
    frame,
    imports::{Types, text, well_known},
    load,
    operation::framed,
    status::Status,
};

/// Where servers are asked: the version of today, and the one before, which many still have.
pub const REFLECTION: [PathAndQuery; 2] = [
    PathAndQuery::from_static("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
    PathAndQuery::from_static("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
];

/// Bytes of one answer.
const MOST: usize = 4 << 20;

/// What a server is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// Which services it has.
    Services,
    /// The file that defines this.
    Symbol(String),
    /// The file of this name.
    File(String),
}

/// What a server said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Said {
    /// Its services.
    Services(Vec<String>),
    /// Files, each as a descriptor.
    Files(Vec<Bytes>),
}

/// Writes questions and reads answers.
#[derive(Debug)]
pub struct Reflection {
    request: MessageDescriptor,
    response: MessageDescriptor,
    /// How a file describes itself.
    file: MessageDescriptor,
}

impl Reflection {
    /// The messages of both.
    ///
    /// # Errors
    /// Never, but for a fault of ours.
    pub fn new() -> Result<Self, String> {
        let text = include_str!("proto/grpc/reflection.proto");
        let known = |name: &str| match name {
            "reflection.proto" => File::from_source(name, text),
            other => Err(protox::Error::file_not_found(other)),
        };
        let mut compiler = Compiler::with_file_resolver(load::By(known));
        compiler.open_file("reflection.proto").map_err(|error| error.to_string())?;
        let pool = compiler.descriptor_pool();
        let message = |name: &str| pool.get_message_by_name(name).ok_or("a message is missing");
        let file =
            DescriptorPool::global().get_message_by_name("google.protobuf.FileDescriptorProto");
        Ok(Self {
            request: message("ServerReflectionRequest")?,
            response: message("ServerReflectionResponse")?,
            file: file.ok_or("a message is missing")?,
        })
    }

    /// The body of a request.
    pub fn question(&self, question: &Question) -> Bytes {
        let mut message = DynamicMessage::new(self.request.clone());
        let (field, text) = match question {
            Question::Services => ("list_services", "*"),
            Question::Symbol(name) => ("file_containing_symbol", &**name),
            Question::File(name) => ("file_by_filename", &**name),
        };
        message.set_field_by_name(field, Value::String(text.into()));
        framed(&message)
    }

    /// What an answer says; none if the server knows no reflection of this version.
    ///
    /// # Errors
    /// It says that it failed, or nothing that makes sense.
    pub fn answer(
        &self,
        head: &HeaderMap,
        body: &[u8],
        trailers: Option<&HeaderMap>,
    ) -> Result<Option<Said>, String> {
        let pool = self.response.parent_pool();
        let read = |fields: &HeaderMap| Status::read(fields, pool);
        let ended = trailers.and_then(read).or_else(|| read(head));
        let ended = ended.ok_or("the server does not speak gRPC")?;
        if ended.is_unimplemented() {
            return Ok(None);
        }
        if !ended.is_ok() {
            return Err(format!("the server says {ended}"));
        }
        let message = frame::only(body, MOST).map_err(|error| error.to_string())?;
        let message = DynamicMessage::decode(self.response.clone(), message);
        let message = message.map_err(|_| "the answer is malformed")?;
        let part = |name: &str| {
            let there = message.has_field_by_name(name);
            let value = message.get_field_by_name(name).filter(|_| there)?;
            value.as_message().cloned()
        };
        let list = |of: &DynamicMessage, name: &str| {
            let value = of.get_field_by_name(name);
            value.and_then(|value| value.as_list().map(<[Value]>::to_vec)).unwrap_or_default()
        };
        if let Some(services) = part("list_services_response") {
            let name = |service: &Value| text(service.as_message()?, "name");
            let names = list(&services, "service").iter().filter_map(name).collect();
            return Ok(Some(Said::Services(names)));
        }
        if let Some(files) = part("file_descriptor_response") {
            let files = list(&files, "file_descriptor_proto");
            let files = files.iter().filter_map(|file| file.as_bytes().cloned()).collect();
            return Ok(Some(Said::Files(files)));
        }
        let failed = part("error_response").and_then(|failed| text(&failed, "error_message"));
        Err(failed.map_or_else(
            || "the answer is empty".into(),
            |what| format!("the server says: {what}"),
        ))
    }
}

/// What was pulled so far.
#[derive(Debug, Default)]
pub struct Pulled {
    /// By name: the descriptor, and the names of what it imports.
    files: BTreeMap<String, (Bytes, Vec<String>)>,
    size: usize,
}

impl Pulled {
    /// Takes a file in.
    ///
    /// # Errors
    /// It is none, or there are more, or larger ones, than an API may have.
    pub fn take(&mut self, reflection: &Reflection, file: Bytes) -> Result<(), String> {
        let read = DynamicMessage::decode(reflection.file.clone(), &file[..]);
        let read = read.map_err(|_| "a file that the server gave is malformed")?;
        let name = text(&read, "name").unwrap_or_default();
        let imports = read.get_field_by_name("dependency");
        let imports = imports.iter().filter_map(|imports| imports.as_list()).flatten();
        let imports = imports.filter_map(|import| import.as_str().map(String::from)).collect();
        if self.files.contains_key(&name) {
            return Ok(());
        }
        self.size += file.len();
        self.files.insert(name, (file, imports));
        match self.files.len() > load::MOST_FILES || self.size as u64 > load::MOST_BYTES {
            true => Err("the server has more types than an API may have".into()),
            false => Ok(()),
        }
    }

    /// Finds the imports of files that say none, by the types that they use. A copy of types that everybody
    /// knows makes way for the files that they are of.
    ///
    /// # Errors
    /// Never, but for a fault of ours.
    pub fn find_imports(&mut self, reflection: &Reflection) -> Result<(), String> {
        let untold = |(_, imports): &(Bytes, Vec<String>)| imports.is_empty();
        let mut found = Vec::new();
        for (name, (file, _)) in &self.files {
            let file = DynamicMessage::decode(reflection.file.clone(), &file[..]);
            let file = file.map_err(|_| "a file that the server gave is malformed")?;
            found.push((name.clone(), Types::of(&file), file));
        }
        let told = self.files.values().flat_map(|(_, imports)| imports.clone());
        let told: HashSet<String> = told.collect();
        // Of these files everybody has the same, by the same names.
        found.retain(|(name, types, _)| {
            let known = DescriptorPool::global().get_file_by_name(name).is_some();
            let is_copy = types.package == "google.protobuf" && !known && !told.contains(name);
            if is_copy {
                self.files.remove(name);
            }
            !is_copy
        });
        let by_type = found.iter().flat_map(|(name, types, _)| {
            types.defined.iter().map(move |defined| (defined.as_str(), name.as_str()))
        });
        let by_type: HashMap<_, _> = by_type.collect();
        let file_of = |full: &str| match by_type.get(full) {
            Some(file) => Some((*file).to_owned()),
            None => well_known(full),
        };
        for (name, types, file) in &found {
            let Some(known) = self.files.get_mut(name).filter(|known| untold(known)) else {
                continue;
            };
            let needed: BTreeSet<_> = types.files(file_of).into_iter().collect();
            known.1 = needed.into_iter().filter(|needed| needed != name).collect();
            let mut told = file.clone();
            let list = known.1.iter().cloned().map(Value::String).collect();
            told.set_field_by_name("dependency", Value::List(list));
            known.0 = told.encode_to_vec().into();
        }
        Ok(())
    }

    /// A file that is imported and not there.
    pub fn missing(&self) -> Option<String> {
        let mut imports = self.files.values().flat_map(|(_, imports)| imports);
        imports.find(|import| !self.files.contains_key(*import)).cloned()
    }

    /// A well-known file, which servers need not have.
    pub fn take_well_known(&mut self, reflection: &Reflection, name: &str) -> bool {
        let known = DescriptorPool::global().get_file_by_name(name);
        known.is_some_and(|file| self.take(reflection, file.encode_to_vec().into()).is_ok())
    }

    /// All of it as a set of descriptors.
    ///
    /// # Errors
    /// The files do not fit together.
    pub fn set(&self) -> Result<Vec<u8>, String> {
        let (mut set, mut done) = (Vec::new(), HashSet::new());
        for name in self.files.keys() {
            self.write(name, &mut done, &mut set);
        }
        let whole = DescriptorPool::decode(&set[..]);
        whole.map_err(|error| format!("the server's files do not fit together: {error:?}"))?;
        Ok(set)
    }

    /// Writes a file behind those that it imports.
    fn write<'a>(&'a self, name: &'a str, done: &mut HashSet<&'a str>, set: &mut Vec<u8>) {
        let Some((file, imports)) = self.files.get(name).filter(|_| done.insert(name)) else {
            return;
        };
        for import in imports {
            self.write(import, done, set);
        }
        // `FileDescriptorSet { repeated FileDescriptorProto file = 1; }`
        prost::encoding::encode_key(1, prost::encoding::WireType::LengthDelimited, set);
        prost::encoding::encode_varint(file.len() as u64, set);
        set.extend_from_slice(file);
    }
}

#[cfg(test)]
mod tests {
    use protox::file::{FileResolver as _, GoogleFileResolver};

    use super::*;

    #[test]
    fn questions_are_asked_and_answers_read() {
        let reflection = Reflection::new().unwrap();
        assert_eq!(&reflection.question(&Question::Services)[..], b"\0\0\0\0\x03\x3a\x01*");
        assert_eq!(
            &reflection.question(&Question::Symbol("a.B".into()))[..],
            b"\0\0\0\0\x05\x22\x03a.B"
        );
        let ok: HeaderMap =
            [("grpc-status".parse().unwrap(), "0".parse().unwrap())].into_iter().collect();
        let services = Said::Services(vec!["a.B".into()]);
        for (body, expected) in [
            (&b"\0\0\0\0\x09\x32\x07\x0a\x05\x0a\x03a.B"[..], Ok(Some(services))),
            (
                b"\0\0\0\0\x05\x22\x03\x0a\x01x",
                Ok(Some(Said::Files(vec![Bytes::from_static(b"x")]))),
            ),
            (b"\0\0\0\0\x06\x3a\x04\x12\x02no", Err("the server says: no".to_owned())),
            (b"\0\0\0\0\x00", Err("the answer is empty".into())),
            (b"\0\0\0\0\x02\x3a\x09", Err("the answer is malformed".into())),
        ] {
            assert_eq!(reflection.answer(&HeaderMap::new(), body, Some(&ok)), expected, "{body:?}");
        }
        let none: HeaderMap =
            [("grpc-status".parse().unwrap(), "12".parse().unwrap())].into_iter().collect();
        assert_eq!(reflection.answer(&none, b"", None), Ok(None));
        let html = reflection.answer(&HeaderMap::new(), b"<html>", None);
        assert_eq!(html, Err("the server does not speak gRPC".into()));
    }

    #[test]
    fn files_that_import_each_other_come_in_order_and_once() {
        let reflection = Reflection::new().unwrap();
        let mut pulled = Pulled::default();
        // FileDescriptorProto { name: "a", dependency: ["b", "google/protobuf/any.proto"] }, and { name: "b" }
        let any = "google/protobuf/any.proto";
        let a = [b"\x0a\x01a\x1a\x01b\x1a\x19", any.as_bytes()].concat();
        pulled.take(&reflection, a.clone().into()).unwrap();
        pulled.take(&reflection, a.into()).unwrap();
        assert_eq!(pulled.missing().as_deref(), Some("b"));
        assert!(pulled.set().is_err());
        pulled.take(&reflection, Bytes::from_static(b"\x0a\x01b")).unwrap();
        assert_eq!(pulled.missing().as_deref(), Some(any));
        assert!(
            pulled.take_well_known(&reflection, any) && !pulled.take_well_known(&reflection, "x")
        );
        assert_eq!(pulled.missing(), None);
        let pool = DescriptorPool::decode(&pulled.set().unwrap()[..]).unwrap();
        assert_eq!(
            pool.files().map(|file| file.name().to_owned()).collect::<Vec<_>>(),
            ["b", any, "a"]
        );
        assert!(pulled.take(&reflection, Bytes::from_static(b"\x0a\x09x")).is_err());
    }

    #[test]
    fn imports_that_nobody_says_are_found_by_the_types_that_are_used() {
        let reflection = Reflection::new().unwrap();
        let known = |name: &str| match name {
            "a.proto" => File::from_source(
                name,
                "syntax = \"proto3\"; package a.v1; import \"b.proto\"; import \"google/protobuf/timestamp.proto\";\n\
                 message A { b.B.C one = 1; Inner two = 2; message Inner { google.protobuf.Timestamp at = 1; } }\n\
                 service S { rpc Do(A) returns (b.B); }",
            ),
            "b.proto" => File::from_source(
                name,
                "syntax = \"proto3\"; package b; message B { enum C { NONE = 0; } C c = 1; }",
            ),
            "google_protobuf.proto" => {
                File::from_source(name, "package google.protobuf; enum Odd { FIRST = 1; }")
            }
            other => GoogleFileResolver::new().open_file(other),
        };
        let mut compiler = Compiler::with_file_resolver(load::By(known));
        compiler.include_imports(true);
        compiler.open_files(["a.proto", "google_protobuf.proto"]).unwrap();
        let mut pulled = Pulled::default();
        for file in compiler.file_descriptor_set().file {
            let mut file = file.clone();
            if file.name().starts_with("google/") {
                continue;
            }
            file.dependency.clear();
            // Names may be relative, too.
            for field in file.message_type.iter_mut().flat_map(|message| &mut message.field) {
                field.type_name = field.type_name.take().map(|name| match &*name {
                    ".a.v1.A.Inner" => "Inner".into(),
                    ".b.B.C" if field.number() == 1 => "b.B.C".into(),
                    _ => name,
                });
            }
            pulled.take(&reflection, file.encode_to_vec().into()).unwrap();
        }
        pulled.find_imports(&reflection).unwrap();
        let timestamp = "google/protobuf/timestamp.proto";
        assert_eq!(pulled.missing().as_deref(), Some(timestamp));
        assert!(pulled.take_well_known(&reflection, timestamp));
        assert_eq!(pulled.missing(), None);
        let pool = DescriptorPool::decode(&pulled.set().unwrap()[..]).unwrap();
        let names: Vec<_> = pool.files().map(|file| file.name().to_owned()).collect();
        assert_eq!(names, ["b.proto", timestamp, "a.proto"]);
        // What is said is believed.
        let mut told = Pulled::default();
        let file = Bytes::from_static(b"\x0a\x01a\x1a\x01x");
        told.take(&reflection, file.clone()).unwrap();
        told.find_imports(&reflection).unwrap();
        assert_eq!((told.missing().as_deref(), &told.files["a"].0), (Some("x"), &file));
    }
}
