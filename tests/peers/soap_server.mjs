// A bank that speaks SOAP, by npm's `soap`, from a description: `soap_server.mjs PEERS WSDL [NAME PASSWORD]`. Says
// its port when it listens. With a name it takes calls only by WS-Security with its password, in clear or as a digest,
// within their time, and for an operation that WS-Addressing names.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [peers, wsdl, name, password] = process.argv.slice(2);
const soap = createRequire(`${peers}/package.json`)("soap");

const bank = {
    GetBalance: ({ account }) => ({
        balance: { attributes: { currency: "EUR" }, $value: account === "CH000001" ? "120.50" : "0" },
    }),
    Transfer: ({ to, amount, note }) => {
        if (Number(amount.$value) > 100) {
            throw {
                Fault: {
                    faultcode: "soap:Client",
                    faultstring: `Not <that> much for ${to}`,
                    detail: { InsufficientFunds: { attributes: { xmlns: "urn:example:bank" }, missing: { attributes: { currency: amount.attributes.currency }, $value: "20.5" } } },
                },
            };
        }
        return { id: String([note ?? []].flat().length) };
    },
};
const text = (element) => element?.$value ?? element;
const admits = ({ Security: security, Action: action, MessageID: id, To: to }) => {
    const { UsernameToken: token, Timestamp: time } = security ?? {};
    if (!token || !time) return false;
    const [nonce, created, given] = [token.Nonce, token.Created, token.Password].map(text);
    const isDigest = token.Password.attributes.Type.endsWith("#PasswordDigest");
    const hash = createHash("sha1").update(Buffer.from(nonce ?? "", "base64"));
    const expected = isDigest ? hash.update(created + password).digest("base64") : password;
    const now = Date.now();
    const [from, end] = [time.Created, time.Expires].map((it) => Date.parse(text(it)));
    const isAddressed = text(action)?.length > 0 && text(id)?.startsWith("urn:uuid:") && text(to)?.startsWith("http");
    return text(token.Username) === name && given === expected && from <= now + 1000 && now < end && isAddressed;
};
const server = createServer((_, response) => response.writeHead(404).end());
server.listen(0, "127.0.0.1", () => {
    const service = soap.listen(server, "/services/bank", { Bank: { Bank: bank } }, readFileSync(wsdl, "utf8"));
    if (name) {
        service.authenticate = (_security, _done, _request, envelope) => admits(envelope.Header);
    }
    console.log(server.address().port);
});
