// A browser's client of gRPC-Web: `grpc_web_client.mjs PEERS DESCRIPTORS URL`, by Connect and its transport, which
// takes what browsers have: fetch. Fails if anything goes wrong.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [peers, descriptors, baseUrl] = process.argv.slice(2);
const require = createRequire(`${peers}/package.json`);
const { createClient, Code, ConnectError } = require("@connectrpc/connect");
const { createGrpcWebTransport } = require("@connectrpc/connect-web");
const { createFileRegistry, fromBinary } = require("@bufbuild/protobuf");
const { FileDescriptorSetSchema } = require("@bufbuild/protobuf/wkt");

const files = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const client = createClient(files.getService("greeter.v1.Greeter"), createGrpcWebTransport({ baseUrl }));

let initial, trailing;
const hello = await client.hello(
    { name: "Ada", big: 9007199254740993n, raw: new Uint8Array([0, 255]), moods: [2] },
    { headers: { "x-who": "web" }, onHeader: (h) => (initial = h), onTrailer: (t) => (trailing = t) },
);
assert.equal(hello.text, "Hello, Ada!");
assert.equal(hello.request.big, 9007199254740993n);
assert.deepEqual([...hello.request.raw], [0, 255]);
assert.equal(hello.metadata["x-who"], "web");
assert.equal(initial.get("x-initial"), "yes");
assert.equal(trailing.get("x-late"), "yes");

const texts = [];
for await (const reply of client.count({ to: 1000 })) texts.push(reply.text);
assert.deepEqual([texts.length, texts[999]], [1000, "1000"]);

await assert.rejects(client.fail({ code: 9, message: "not today: 100 % ☂" }), (error) => {
    assert.ok(error instanceof ConnectError);
    assert.equal(error.code, Code.FailedPrecondition);
    assert.equal(error.rawMessage, "not today: 100 % ☂");
    assert.equal(error.details.length, 1);
    return true;
});
await assert.rejects(async () => {
    for await (const reply of client.count({ to: 9, failAfter: 2 })) texts.push(reply.text);
}, (error) => error.code === Code.ResourceExhausted);
assert.equal(texts.length, 1002);
await assert.rejects(client.slow({}, { timeoutMs: 300 }), (error) => error.code === Code.DeadlineExceeded);

// A stream that the client gives up.
const stop = new AbortController();
await assert.rejects(async () => {
    for await (const _ of client.count({ to: 2000000 }, { signal: stop.signal })) stop.abort();
});
