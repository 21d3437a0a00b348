// A real identity provider with one user, whose login is a form that a browser sends by itself.
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

console.info = console.warn = () => {};
const entry = join(process.argv[2], 'node_modules/oidc-provider/lib/index.js');
const { Provider } = await import(pathToFileURL(entry));
const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const { port } = server.address();

const callback = '/.janua/people/callback';
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'janua',
    client_secret: 'a secret/with:odd %+ characters',
    redirect_uris: [`https://127.0.0.2${callback}`],
    grant_types: ['authorization_code', 'refresh_token'],
  }],
  claims: { openid: ['sub', 'roles', 'sid'], profile: ['name'] },
  conformIdTokenClaims: false,
  cookies: { keys: ['of no importance'] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: 'Alice', roles: ['admin'] }) }),
  interactions: { url: (_, { uid }) => `/login/${uid}` },
  // Everybody agrees to everything.
  async loadExistingGrant({ oidc }) {
    const grant = new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope('openid profile email offline_access');
    await grant.save();
    return grant;
  },
});
// The gateway's port is known only when the browser comes.
provider.Client.prototype.redirectUriAllowed = (uri) => new URL(uri).pathname === callback;

const answer = provider.callback();
server.on('request', async (request, response) => {
  if (!request.url.startsWith('/login/')) return answer(request, response);
  if (request.method === 'POST') {
    return provider.interactionFinished(request, response, { login: { accountId: 'alice' } });
  }
  response.setHeader('content-type', 'text/html');
  response.end('<form method="post"></form><script>document.forms[0].submit()</script>');
});
console.log(port);
