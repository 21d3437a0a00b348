// A real GraphQL server, of a shop.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const load = createRequire(join(process.env.JANUA_PEERS, 'node_modules/'));
const { GraphQLError } = load('graphql');
const { createSchema, createYoga } = load('graphql-yoga');

const users = new Map([['1', { id: '1', name: 'Ada', role: 'SELLER' }], ['2', { id: '2', name: 'Ben', role: 'BUYER' }]]);
const fail = (message, code) => { throw new GraphQLError(message, { extensions: { code } }); };
const withFriends = (user) => user && { ...user, friends: ({ first }) => [...users.values()].filter((it) => it.id !== user.id).slice(0, first ?? 10).map(withFriends) };

const schema = createSchema({
  typeDefs: `directive @cost(weight: String!) on FIELD_DEFINITION\n${readFileSync(process.argv[2], 'utf8')}`,
  resolvers: {
    Query: {
      user: (_, { id }) => (id === 'secret' ? fail('Not you', 'FORBIDDEN') : withFriends(users.get(id)) ?? null),
      users: (_, { first }) => [...users.values()].slice(0, first).map(withFriends),
      search: (_, { text }) => [...users.values()].filter((it) => it.name.includes(text)).map(withFriends),
      version: () => '1',
    },
    Mutation: {
      rename: (_, { id, name }) => withFriends({ ...users.get(id), name }),
      order: (_, { order }) => (order.lines.length ? { id: '7', total: 9.5, lines: order.lines } : fail('Nothing ordered', 'BAD_USER_INPUT')),
    },
    Subscription: {
      counted: {
        async* subscribe(_, { to }) { for (let n = 1; n <= to; n += 1) yield { counted: n }; },
      },
    },
  },
});
const yoga = createYoga({ schema, logging: false, landingPage: false, graphiql: false });
const server = createServer(yoga);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
