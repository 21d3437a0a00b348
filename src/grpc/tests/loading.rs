//! What files may say, and what is said of those that are wrong.

use std::fs;

use super::*;

#[test]
fn every_rule_becomes_an_operation() {
    let services = greeter(&Options::default());
    let shown = |it: &Arc<Operation>| format!("{} {} {}", it.id, it.method, it.pattern);
    let shown: Vec<_> = services.operations.iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            "greeter.v1.Greeter.Hello GET /v1/hello/{name}",
            "greeter.v1.Greeter.Hello POST /v1/hello",
            "greeter.v1.Greeter.Hello SEARCH /v1/hello",
            "greeter.v1.Greeter.GetBook GET /v1/shelves/{name}/books/{name-2}",
            "greeter.v1.Greeter.UpdateBook PATCH /v1/shelves/{book-name}/books/{book-name-2}",
            "greeter.v1.Greeter.ListBooks GET /v1/books:list",
            "greeter.v1.Greeter.File GET /v1/files/{name*}",
            "greeter.v1.Greeter.Copy GET /v1/copies/{name}/{title*}",
            "greeter.v1.Greeter.Drop DELETE /v1/shelves/{name}",
            "greeter.v1.Greeter.Everything POST /greeter.v1.Greeter/Everything",
            "greeter.v1.Greeter.Count GET /v1/count",
        ]
    );
    let count = operation(&services, "GET /v1/count");
    assert!(count.streams() && !count.has_body());
    assert_eq!(count.path(), "/greeter.v1.Greeter/Count");
}

#[test]
fn a_set_of_descriptors_is_as_good_as_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let set = File(folder.path().join("greeter.pb"));
    let from_files = greeter(&Options::default());
    let pool = from_files.operations[0].pool();
    fs::write(&*set, pool.encode_to_vec()).unwrap();
    let services = ["greeter.v1.Greeter".to_owned()];
    let sources = Sources { descriptors: Some(&set), services: &services, ..Sources::default() };
    let from_set = compile(&sources, &Options::default()).unwrap();
    assert_eq!(from_set.openapi("x", ""), from_files.openapi("x", ""));
}

#[test]
fn imports_are_looked_for_in_the_folders_that_are_named_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("api")).unwrap();
    fs::create_dir_all(at("lib/shared")).unwrap();
    let service = "service S { rpc Get(shared.Thing) returns (shared.Thing); }";
    let main =
        format!("syntax = \"proto3\"; package api; import \"shared/thing.proto\"; {service}");
    fs::write(at("api/main.proto"), main).unwrap();
    fs::write(
        at("lib/shared/thing.proto"),
        "syntax = \"proto3\"; package shared; message Thing {}",
    )
    .unwrap();
    let proto = [File(at("api/main.proto"))];
    let alone = compile(&Sources { proto: &proto, ..Sources::default() }, &Options::default());
    let what = alone.unwrap_err();
    assert!(what.contains("main.proto:1:") && what.contains("shared/thing.proto"), "{what}");
    let include = [at("lib")];
    let sources = Sources { proto: &proto, include: &include, ..Sources::default() };
    let services = compile(&sources, &Options::default()).unwrap();
    assert_eq!(services.operations.len(), 1, "services of imports are not served");
    // Nothing outside is read, however it is called.
    for outside in ["../lib/shared/thing.proto", "/etc/hosts"] {
        let text = format!("syntax = \"proto3\"; import \"{outside}\";");
        fs::write(at("api/main.proto"), text).unwrap();
        let what = compile(&sources, &Options::default()).unwrap_err();
        assert!(what.starts_with("main.proto:1:"), "{what}");
    }
}

#[test]
fn what_is_wrong_with_files_is_said_with_its_place() {
    let cases = [
        ("message 1", "x.proto:1:", "expected"),
        ("syntax = \"proto3\"; service S { rpc A(B) returns (B); }", "x.proto:1:", "B"),
        ("syntax = \"proto3\"; import \"none.proto\";", "x.proto:1:", "none.proto"),
        ("syntax = \"proto3\"; message A {}", "there is no service", ""),
        (&method("get: \"/v1/{name}:x\"", ""), "`p.S.M`", "the verb `:x` after a variable"),
        (&method("get: \"v1\"", ""), "`p.S.M`", "does not begin with `/`"),
        (&method("get: \"/v1/{none}\"", ""), "`p.S.M`", "`p.A` has no field `none`"),
        (&method("get: \"/v1/{list}\"", ""), "`p.S.M`", "`list` is a list"),
        (&method("get: \"/v1/{a}\"", ""), "`p.S.M`", "of a type that no text can say"),
        (&method("get: \"/v1/{name.x}\"", ""), "`p.S.M`", "`name` has no fields to name"),
        (
            &method("post: \"/v1\" body: \"none\"", ""),
            "`p.S.M`",
            "`body`: `p.A` has no field `none`",
        ),
        (&method("get: \"/v1\" response_body: \"none\"", ""), "`p.S.M`", "`response_body`"),
        (&method("body: \"*\"", ""), "`p.S.M`", "names no path"),
        (&method("custom { kind: \"*\" path: \"/v1\" }", ""), "`p.S.M`", "takes any method"),
        (&method("custom { kind: \"A B\" path: \"/v1\" }", ""), "`p.S.M`", "not a method of HTTP"),
        (&method("get: \"/v1\"", "stream "), "`p.S.M`", "a stream of requests"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let proto = [File(folder.path().join("x.proto"))];
    for (text, place, says) in cases {
        fs::write(&*proto[0], text).unwrap();
        let made = compile(&Sources { proto: &proto, ..Sources::default() }, &Options::default());
        let what = made.expect_err(text);
        assert!(what.contains(place) && what.contains(says), "{text}: {what}");
    }
    let none = [File(folder.path().join("none.proto"))];
    let what = compile(&Sources { proto: &none, ..Sources::default() }, &Options::default());
    assert!(what.unwrap_err().contains("none.proto"));
    for bytes in [&b"\x0a\x05ab"[..], b"no descriptors", b""] {
        fs::write(&*proto[0], bytes).unwrap();
        let sources = Sources { descriptors: Some(&proto[0]), ..Sources::default() };
        let what = compile(&sources, &Options::default()).unwrap_err();
        assert!(what.contains("descriptors") || what.contains("no service"), "{what}");
    }
    let services = ["greeter.v1.Greter".to_owned()];
    let proto = [File(super::folder().join("greeter.proto"))];
    let sources = Sources { proto: &proto, services: &services, ..Sources::default() };
    let what = compile(&sources, &Options::default()).unwrap_err();
    assert_eq!(what, "there is no service `greeter.v1.Greter` in its files");
}

fn method(rule: &str, stream: &str) -> String {
    format!(
        "syntax = \"proto3\"; package p; import \"google/api/annotations.proto\";
         message A {{ string name = 1; repeated string list = 2; A a = 3; }}
         service S {{ rpc M({stream}A) returns (A) {{ option (google.api.http) = {{ {rule} }}; }} }}"
    )
}

#[test]
fn a_file_that_is_too_large_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let proto = [File(folder.path().join("x.proto"))];
    let file = fs::File::create(&*proto[0]).unwrap();
    file.set_len(1 << 40).unwrap();
    let what = compile(&Sources { proto: &proto, ..Sources::default() }, &Options::default());
    assert!(what.unwrap_err().contains("more than"));
    let sources = Sources { descriptors: Some(&proto[0]), ..Sources::default() };
    assert!(compile(&sources, &Options::default()).unwrap_err().contains("more than"));
}

#[test]
fn the_document_says_what_the_files_say() {
    let document = greeter(&Options::default()).openapi("Greetings", "");
    let get = &document["paths"]["/v1/hello/{name}"]["get"];
    assert_eq!(get["operationId"], "greeter.v1.Greeter.Hello");
    assert_eq!(get["summary"], "Says hello");
    assert_eq!(get["description"], "Says hello.\nTo whoever is named.");
    let names: Vec<_> = get["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {}", it["in"].as_str().unwrap(), it["name"].as_str().unwrap()))
        .collect();
    let expected = [
        "path name",
        "query times",
        "query volume",
        "query titles",
        "query extra.note",
        "query at",
        "query polite",
        "query bigNumber",
        "query byMail",
        "query byPhone",
    ];
    assert_eq!(names, expected);
    assert_eq!(document["paths"]["/v1/hello"]["post"]["operationId"], "greeter.v1.Greeter.Hello_2");
    let stream = &document["paths"]["/v1/count"]["get"]["responses"]["200"]["content"];
    assert!(stream["application/x-ndjson"].is_object() && stream["text/event-stream"].is_object());
    let list = &document["paths"]["/v1/books:list"]["get"]["responses"]["200"]["content"];
    assert_eq!(list["application/json"]["schema"]["type"], "array");
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["greeter.v1.HelloRequest"]["required"], serde_json::json!(["name"]));
    let volume = &schemas["greeter.v1.HelloRequest"]["properties"]["volume"];
    assert_eq!(volume["description"], "How loud.");
    // Every reference leads somewhere.
    let text = document.to_string();
    for name in
        text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap())
    {
        assert!(schemas[name].is_object(), "{name}");
    }
}
