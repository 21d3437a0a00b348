//! Servers that are killed under load, ten times over: what was sent to them, what they had done, and what clients
//! saw of it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use super::{
    Nginx, command,
    health::{are, two},
    program, said,
};
use crate::support::{Janua, Setup};

const EJECTION: &str = "ejection = { failures = 3, time = \"100ms\" }";

async fn before(urls: [&str; 2]) -> Janua {
    let endpoints = format!("endpoints = [\"{}\", \"{}\"]", urls[0], urls[1]);
    let text = format!("[upstream.u]\n{endpoints}\n{EJECTION}\n[[route]]\nto = \"u\"\n");
    Setup::new(text).start().await
}

/// Killed, not stopped: whatever it was about to answer is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_under_load_fails_nobody() {
    let mut servers = two();
    let janua = before([&servers[0].url, &servers[1].url]).await;
    let url = format!("http://{}/who.txt", janua.address);
    let mut load = command(program("h2load"));
    load.args(["--h1", "-n", "20000", "-c", "16"]).arg(url);
    let load = tokio::task::spawn_blocking(move || said(&mut load));
    let mut kills = 0;
    while !load.is_finished() && kills < 10 {
        servers[1].kill();
        tokio::time::sleep(Duration::from_millis(30)).await;
        servers[1].start_again();
        are(&janua, "up", 2).await;
        kills += 1;
    }
    let said = load.await.unwrap();
    let refused = "janua_upstream_retries_refused_total{upstream=\"u\"}";
    assert!(
        said.contains("status codes: 20000 2xx"),
        "{kills} kills, {} retries refused: {said}",
        janua.counted(refused)
    );
    assert!(kills > 3, "too few kills: {kills}");
}

/// The bytes that came on each connection.
type Seen = Arc<Mutex<Vec<Arc<Mutex<Vec<u8>>>>>>;

/// The way to a server, on which all is seen that is sent there. Where the server ends a connection, so does it,
/// and goes on looking at what still comes.
struct Wire {
    address: SocketAddr,
    server: SocketAddr,
    seen: Seen,
    /// Takes connections until it is told.
    listening: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    /// Bound, and not listening: nobody else gets the port meanwhile.
    _place: Socket,
}

impl Wire {
    async fn to(server: SocketAddr) -> Self {
        let place = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        place.set_reuse_address(true).unwrap();
        place.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = place.local_addr().unwrap().as_socket().unwrap();
        let mut wire =
            Self { address, server, seen: Arc::default(), listening: None, _place: place };
        wire.open().await;
        wire
    }

    async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let (server, seen) = (self.server, self.seen.clone());
        let (closer, mut closed) = oneshot::channel();
        let take = move |stream: TcpStream| {
            let bytes = Arc::new(Mutex::new(Vec::new()));
            seen.lock().push(bytes.clone());
            tokio::spawn(carry(stream, server, bytes));
        };
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    accepted = listener.accept() => take(accepted.unwrap().0),
                    _ = &mut closed => break,
                }
            }
            // Whoever has come is taken in before it closes: what they sent is not to be lost.
            let listener = listener.into_std().unwrap();
            while let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(true).unwrap();
                take(TcpStream::from_std(stream).unwrap());
            }
        });
        self.listening = Some((closer, task));
    }

    /// Who comes from now on finds nobody.
    async fn close(&mut self) {
        if let Some((closer, task)) = self.listening.take() {
            closer.send(()).unwrap();
            task.await.unwrap();
        }
    }

    /// Whether any of this was sent.
    fn saw(&self, words: &str) -> bool {
        let seen = self.seen.lock();
        let holds = |bytes: &Arc<Mutex<Vec<u8>>>| {
            bytes.lock().windows(words.len()).any(|window| window == words.as_bytes())
        };
        seen.iter().any(holds)
    }
}

/// Carries what comes on a connection, and what is answered.
async fn carry(stream: TcpStream, server: SocketAddr, seen: Arc<Mutex<Vec<u8>>>) {
    let (mut requests, mut answers) = stream.into_split();
    let server = TcpStream::connect(server).await.ok().map(TcpStream::into_split);
    let (mut back, mut forth) = server.unzip();
    let answering = async {
        if let Some(back) = &mut back {
            let _ = tokio::io::copy(back, &mut answers).await;
        }
        let _ = answers.shutdown().await;
    };
    let asking = async {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(count @ 1..) = requests.read(&mut buffer).await {
            seen.lock().extend_from_slice(&buffer[..count]);
            if let Some(forth) = &mut forth {
                let _ = forth.write_all(&buffer[..count]).await;
            }
        }
        drop(forth.take());
    };
    tokio::join!(answering, asking);
}

/// Sends POSTs, one after the other, until it is over: the id of each, and its status.
fn posts(
    worker: usize,
    janua: &Arc<Janua>,
    over: &Arc<AtomicBool>,
) -> JoinHandle<Vec<(String, u16)>> {
    let (janua, over) = (janua.clone(), over.clone());
    tokio::spawn(async move {
        let (mut client, mut statuses) = (janua.client().await, Vec::new());
        while !over.load(Relaxed) {
            let id = format!("{worker}-{}", statuses.len());
            let fields = "Host: a\r\nContent-Length: 2";
            client.send(format!("POST /post?id={id} HTTP/1.1\r\n{fields}\r\n\r\nhi")).await;
            statuses.push((id, client.answer().await.status()));
        }
        statuses
    })
}

/// What POSTs to a server that is killed come to: what was sent to it fails, since nobody knows whether it was read;
/// what was not sent does not. None is ever done twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_under_load_fails_only_posts_that_were_sent_to_it() {
    let post = "location = /post { access_log HOME/posts.log ids; return 200; }";
    let mut servers = ["a", "b"].map(|_| Nginx::start(post));
    let mut wire = Wire::to(servers[1].address).await;
    let url = format!("http://{}", wire.address);
    let janua = Arc::new(before([&servers[0].url, &url]).await);
    let over = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..8).map(|worker| posts(worker, &janua, &over)).collect();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        wire.close().await;
        servers[1].kill();
        tokio::time::sleep(Duration::from_millis(30)).await;
        servers[1].start_again();
        wire.open().await;
        are(&janua, "up", 2).await;
    }
    over.store(true, Relaxed);
    let mut statuses = BTreeMap::new();
    for worker in load {
        statuses.extend(worker.await.unwrap());
    }
    let mut done = BTreeMap::<_, usize>::new();
    for server in &servers {
        for id in server.log("posts.log") {
            *done.entry(id).or_default() += 1;
        }
    }
    assert!(done.values().all(|times| *times == 1), "done twice: {done:?}");
    let failed: Vec<_> = statuses.iter().filter(|(_, status)| **status != 200).collect();
    let lost = statuses.iter().filter(|(id, status)| **status == 200 && !done.contains_key(*id));
    // The server answers before it writes its log.
    assert!(lost.count() <= 10, "answered, and done by nobody");
    let unsent: Vec<_> = failed.iter().filter(|(id, _)| !wire.saw(&format!("?id={id} "))).collect();
    assert!(unsent.is_empty(), "failed, and nobody had seen them: {unsent:?}");
    let answered = failed.iter().filter(|(id, _)| done.contains_key(*id)).count();
    println!(
        "{} POSTs, 10 kills: {} failed, {answered} of them done by the server before it was killed",
        statuses.len(),
        failed.len(),
    );
    let lines = janua.log();
    let refused: Vec<_> = lines.iter().filter(|line| !line["reason"].is_null()).collect();
    assert_eq!(refused.len(), failed.len());
    for line in refused {
        let about = (&line["reason"], &line["endpoint"], &line["status"]);
        assert_eq!(about, (&"upstream.reset".into(), &url.as_str().into(), &502.into()), "{line}");
    }
    assert!(statuses.len() > 100, "there was no load: {}", statuses.len());
    assert!(failed.len() <= 10 * 8, "more than were on their way: {failed:?}");
}
