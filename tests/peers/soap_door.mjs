// Calls a bank at a door of Janua's by npm's `soap`, which reads the door's description first:
// `soap_door.mjs PEERS URL`.
import { createRequire } from "node:module";

const [peers, url] = process.argv.slice(2);
const soap = createRequire(`${peers}/package.json`)("soap");

const client = await soap.createClientAsync(`${url}?wsdl`);
const [{ balance, overdrawn }] = await client.GetBalanceAsync({ account: "CH000001", on: "2026-11-29" });
console.log(balance.$value, balance.attributes.currency, overdrawn);
const [{ id }] = await client.TransferAsync({
    from: "CH000001",
    to: "CH000002",
    amount: { attributes: { currency: "CHF" }, $value: "1.10" },
});
console.log(id);
try {
    await client.GetBalanceAsync({ account: "CH999999" });
} catch (error) {
    const { faultcode, faultstring } = error.root.Envelope.Body.Fault;
    console.log(faultcode, faultstring);
}
