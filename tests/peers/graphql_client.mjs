// Holds a server to GraphQL over HTTP by the audits of `graphql-http`, and says what came of each.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const load = createRequire(join(process.env.JANUA_PEERS, 'node_modules/'));
const { serverAudits } = load('graphql-http');
const said = {};
for (const audit of serverAudits({ url: process.argv[2] })) {
  const result = await audit.fn();
  said[`${audit.id} ${audit.name}`] = result.status;
}
console.log(JSON.stringify(said));
