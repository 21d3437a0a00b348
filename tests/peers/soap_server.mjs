// A bank that speaks SOAP, by npm's `soap`, from a description: `soap_server.mjs PEERS WSDL`. Says its port when
// it listens.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [peers, wsdl] = process.argv.slice(2);
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
const server = createServer((_, response) => response.writeHead(404).end());
server.listen(0, "127.0.0.1", () => {
    soap.listen(server, "/services/bank", { Bank: { Bank: bank } }, readFileSync(wsdl, "utf8"));
    console.log(server.address().port);
});
