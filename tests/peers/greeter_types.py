"""The types of `greeter.proto`, by Google's protobuf; `greeter_types.py FILE` writes them with the service."""

import sys

from google.protobuf import (any_pb2, descriptor_pb2, descriptor_pool, message_factory, text_format,
                             timestamp_pb2)


def field(name, number, kind, label="OPTIONAL", of=None):
    named = f'type_name: ".{of}"' if of else ""
    return f'field {{ name: "{name}" number: {number} type: TYPE_{kind} label: LABEL_{label} {named} }}'


def entry(name, kind):
    fields = field("key", 1, "STRING") + field("value", 2, kind)
    return f'nested_type {{ name: "{name}" {fields} options {{ map_entry: true }} }}'


def message(name, *parts):
    return f'message_type {{ name: "{name}" {" ".join(parts)} }}'


def method(name, takes, more=""):
    types = f'input_type: ".greeter.v1.{takes}" output_type: ".greeter.v1.HelloReply"'
    return f'method {{ name: "{name}" {types} {more} }}'


GREETER = f"""
name: "greeter.proto" package: "greeter.v1" syntax: "proto3"
dependency: "google/protobuf/timestamp.proto"
enum_type {{ name: "Mood" value {{ name: "MOOD_UNSPECIFIED" number: 0 }}
  value {{ name: "HAPPY" number: 1 }} value {{ name: "SAD" number: 2 }} }}
{message("HelloRequest", field("name", 1, "STRING"), field("big", 2, "INT64"), field("raw", 3, "BYTES"),
         field("moods", 4, "ENUM", "REPEATED", "greeter.v1.Mood"),
         field("at", 5, "MESSAGE", of="google.protobuf.Timestamp"),
         field("counts", 6, "MESSAGE", "REPEATED", "greeter.v1.HelloRequest.CountsEntry"),
         entry("CountsEntry", "INT32"))}
{message("HelloReply", field("text", 1, "STRING"), field("request", 2, "MESSAGE", of="greeter.v1.HelloRequest"),
         field("metadata", 3, "MESSAGE", "REPEATED", "greeter.v1.HelloReply.MetadataEntry"),
         entry("MetadataEntry", "STRING"))}
{message("CountRequest", field("to", 1, "INT32"), field("fail_after", 2, "INT32"))}
{message("FailRequest", field("code", 1, "INT32"), field("message", 2, "STRING"))}
service {{ name: "Greeter" {method("Hello", "HelloRequest")} {method("Fail", "FailRequest")}
  {method("Slow", "HelloRequest")} {method("Count", "CountRequest", "server_streaming: true")} }}
"""
# What servers know as `google.rpc`, in as much as it is needed here.
RPC = f"""
name: "rpc.proto" package: "google.rpc" syntax: "proto3" dependency: "google/protobuf/any.proto"
{message("Status", field("code", 1, "INT32"), field("message", 2, "STRING"),
         field("details", 3, "MESSAGE", "REPEATED", "google.protobuf.Any"))}
{message("ErrorInfo", field("reason", 1, "STRING"), field("domain", 2, "STRING"))}
"""

pool = descriptor_pool.DescriptorPool()
for library in [any_pb2, timestamp_pb2]:
    pool.AddSerializedFile(library.DESCRIPTOR.serialized_pb)
files = [text_format.Parse(text, descriptor_pb2.FileDescriptorProto()) for text in [GREETER, RPC]]
for file in files:
    pool.AddSerializedFile(file.SerializeToString())


def kind(name):
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


if __name__ == "__main__":
    every = descriptor_pb2.FileDescriptorSet(file=files)
    for library in [any_pb2, timestamp_pb2]:
        library.DESCRIPTOR.CopyToProto(every.file.add())
    every.file.sort(key=lambda file: len(file.dependency))
    with open(sys.argv[1], "wb") as out:
        out.write(every.SerializeToString())
