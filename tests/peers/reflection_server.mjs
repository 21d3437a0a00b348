// A service by Node's gRPC, whose server tells its types: `reflection_server.mjs PEERS PROTO` and the versions of
// reflection that it has, `v1` or `v1alpha`. `greeter.v1.Greeter` has one call there, which says hello to somebody.
// Says its port when it listens.
import { dirname } from "node:path";
import { createRequire } from "node:module";

const [peers, proto, ...versions] = process.argv.slice(2);
const require = createRequire(`${peers}/package.json`);
const { loadPackageDefinition, Server, ServerCredentials } = require("@grpc/grpc-js");
const { loadSync } = require("@grpc/proto-loader");
const { ReflectionService } = require("@grpc/reflection");

const types = loadSync(proto, { keepCase: true, longs: String, includeDirs: [dirname(proto)] });
const server = new Server();
server.addService(loadPackageDefinition(types).greeter.v1.Greeter.service, {
    hello: ({ request }, done) => done(null, { text: `Hello, ${request.who.name}!`, request }),
});
const asked = new Set(versions.map((version) => `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`));
new ReflectionService(types).addToServer({
    addService: (service, does) => {
        if (asked.has(service.ServerReflectionInfo.path)) server.addService(service, does);
    },
});
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(port);
});
