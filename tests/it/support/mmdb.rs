//! A database in MaxMind's format, made for a test: a tree of addresses, and a record for some of them.
//! <https://maxmind.github.io/MaxMind-DB/>

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use ipnet::IpNet;

/// A value of a record.
pub(crate) enum Value {
    Text(&'static str),
    Short(u16),
    Number(u32),
    Long(u64),
    Map(Vec<(&'static str, Self)>),
    List(Vec<Self>),
}

/// Writes a database of this kind, whose networks lie apart.
pub(crate) fn write(path: &Path, kind: &'static str, records: &[(&str, Value)]) {
    let mut data = Vec::new();
    let mut tree = Tree { nodes: vec![[End::Nothing; 2]] };
    for (net, value) in records {
        tree.insert(net.parse().unwrap(), u32::try_from(data.len()).unwrap());
        encode(value, &mut data);
    }
    let mut file = tree.bytes();
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let count = u32::try_from(tree.nodes.len()).unwrap();
    let metadata = Value::Map(vec![
        ("node_count", Value::Number(count)),
        ("record_size", Value::Short(32)),
        ("ip_version", Value::Short(6)),
        ("database_type", Value::Text(kind)),
        ("languages", Value::List(vec![Value::Text("en")])),
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1_700_000_000)),
        ("description", Value::Map(vec![("en", Value::Text("for a test"))])),
    ]);
    encode(&metadata, &mut file);
    std::fs::write(path, file).unwrap();
}

/// Where a branch of the tree leads.
#[derive(Clone, Copy)]
enum End {
    Nothing,
    Node(usize),
    Data(u32),
}

struct Tree {
    nodes: Vec<[End; 2]>,
}

impl Tree {
    fn insert(&mut self, net: IpNet, data: u32) {
        // IPv4 lies at the beginning of IPv6.
        let (address, length) = match net.addr() {
            IpAddr::V4(four) => (u128::from(u32::from(four)), net.prefix_len() + 96),
            IpAddr::V6(six) => (six.into(), net.prefix_len()),
        };
        let mut node = 0;
        for depth in 0..length {
            let bit = usize::from(address >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                self.nodes[node][bit] = End::Data(data);
            } else if let End::Node(next) = self.nodes[node][bit] {
                node = next;
            } else {
                self.nodes.push([End::Nothing; 2]);
                let next = self.nodes.len() - 1;
                self.nodes[node][bit] = End::Node(next);
                node = next;
            }
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let count = u32::try_from(self.nodes.len()).unwrap();
        let number = |end: &End| match end {
            End::Nothing => count,
            End::Node(node) => u32::try_from(*node).unwrap(),
            End::Data(offset) => count + 16 + offset,
        };
        self.nodes.iter().flatten().flat_map(|end| number(end).to_be_bytes()).collect()
    }
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    let control = |kind: u8, size: usize| kind << 5 | u8::try_from(size).unwrap();
    match value {
        Value::Text(text) => {
            out.push(control(2, text.len().min(29)));
            // What is longer has the rest of its length in another byte.
            out.extend(text.len().checked_sub(29).map(|rest| u8::try_from(rest).unwrap()));
            out.extend(text.as_bytes());
        }
        Value::Short(number) => {
            out.push(control(5, 2));
            out.extend(number.to_be_bytes());
        }
        Value::Long(number) => {
            out.extend([control(0, 8), 9 - 7]);
            out.extend(number.to_be_bytes());
        }
        Value::Number(number) => {
            out.push(control(6, 4));
            out.extend(number.to_be_bytes());
        }
        Value::Map(pairs) => {
            let sorted: BTreeMap<_, _> = pairs.iter().map(|(key, value)| (key, value)).collect();
            out.push(control(7, sorted.len()));
            for (key, value) in sorted {
                encode(&Value::Text(key), out);
                encode(value, out);
            }
        }
        Value::List(values) => {
            out.extend([control(0, values.len()), 11 - 7]);
            values.iter().for_each(|value| encode(value, out));
        }
    }
}
