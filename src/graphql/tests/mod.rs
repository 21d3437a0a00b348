//! What may be asked, and what is refused: tables of documents and requests, most of them hostile.

mod hostile;
mod requests;
mod stored;

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::config::{self, Path, Problems};

const SDL: &str = r#"
"A shop"
type Query {
  "One who buys"
  user(id: ID!): User
  users(first: Int = 10, after: String, filter: Filter): [User!]!
  search(text: String!, limit: Int): [Found!]! @cost(weight: "3")
  orders(first: Int): Orders!
  feed(count: Int, page: Int): [User!] @listSize(slicingArguments: ["count", "page"], assumedSize: 7)
  tags: [String!]!
  report: Report @cost(weight: "2.5")
  node(id: ID!): Node
}
type Mutation { rename(id: ID!, name: String!): User, buy(order: NewOrder!): Order }
type Subscription { changed(id: ID!): User }
interface Node { id: ID! }
type User implements Node {
  id: ID!
  name: String
  role: Role!
  friends(first: Int): [User!]!
  orders(last: Int): Orders!
  boss: User
  seen: DateTime
}
type Order implements Node { id: ID!, total: Float!, lines: [Line!]!, user: User! }
type Line { article: String!, count: Int! }
type Orders { edges: [Edge!]!, count: Int!, pages: [Int!]! }
type Edge { node: Order!, cursor: String! }
type Report @cost(weight: "20") { rows: [Line!]! @listSize(assumedSize: 100) }
union Found = User | Order
enum Role { BUYER SELLER }
scalar DateTime
input Filter { role: Role, ids: [ID!], and: [Filter!], name: String }
input NewOrder { lines: [NewLine!]!, note: String = "none" }
input NewLine { article: String!, count: Int! = 1 }
"#;

fn section(keys: &str) -> config::Api {
    toml::from_str(keys).unwrap_or_else(|error| panic!("{keys}: {error}"))
}

/// A guard of the shop, with these keys of its section.
fn guard(keys: &str) -> Guard {
    let section = section(keys);
    let types = Arc::new(Types::of(SDL, &section.guard));
    made(&section, Some(types))
}

/// One that knows no schema.
fn blind(keys: &str) -> Guard {
    made(&section(keys), None)
}

fn made(section: &config::Api, types: Option<Arc<Types>>) -> Guard {
    let (at, mut problems) = (Path::root().key("api").key("shop"), Problems::new());
    let guard = Guard::compile("shop", section, types, &at, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    guard.unwrap()
}

fn post(guard: &Guard, body: &Value) -> Result<Checked, Refused> {
    let body = body.to_string();
    guard.check(Given { method: &Method::POST, query: None, body: body.as_bytes() })
}

fn get(guard: &Guard, query: &str) -> Result<Checked, Refused> {
    guard.check(Given { method: &Method::GET, query: Some(query), body: b"" })
}

/// What comes of a document: its cost, or the reason why not.
fn asked(guard: &Guard, query: &str) -> Result<Option<u64>, &'static str> {
    let checked = post(guard, &json!({ "query": query }));
    checked.map(|checked| checked.asked[0].cost).map_err(|refused| refused.reject.reason())
}
