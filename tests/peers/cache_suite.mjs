// The public suite of HTTP caches (https://cache-tests.fyi), as npm has it. `serve` is its origin, which says its port
// first; a URL is a cache before that origin, to be held to the suite, or to those of its tests that are named.
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { devNull } from 'node:os';
import { join } from 'node:path';

const [peers, task, ...named] = process.argv.slice(2);
const home = join(peers, 'node_modules/http-cache-tests');
const of = (file) => import(join(home, file));
const print = (text) => process.stdout.write(`${text}\n`);
console.log = () => {};

async function serve() {
  const spare = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => { spare.on('listening', done); });
  const { port } = spare.address();
  await new Promise((done) => { spare.close(done); });
  Object.assign(process.env, { npm_config_protocol: 'http', npm_config_port: port, npm_config_pidfile: devNull });
  await of('server/server.mjs');
  print(port);
}

async function hold(cache) {
  const suites = (await of('tests/index.mjs')).default;
  const tests = new Map(suites.flatMap((suite) => suite.tests.map((test) => [test.id, test])));
  const wanted = (test) => named.length === 0 || named.includes(test.id);
  const chosen = suites.map((suite) => ({ ...suite, tests: suite.tests.filter(wanted) }));
  const { runTests, getResults } = await of('client/runner.mjs');
  await runTests(chosen, createRequire(join(home, 'package.json'))('node-fetch'), false, cache, 50);
  const results = getResults();
  const said = (id) => (results[id] === true ? null : results[id].join(': '));
  const all = Object.keys(results).map((id) => [id, [tests.get(id).kind ?? 'required', said(id)]]);
  print(JSON.stringify(Object.fromEntries(all)));
}

await (task === 'serve' ? serve() : hold(task));
