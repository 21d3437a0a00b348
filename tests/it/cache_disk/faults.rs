//! A disk that is full, damaged, or does not answer.

use rustix::process::Signal;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_not_given_and_its_origin_is_asked() {
    let origin = origin(FRESH).await;
    let text = text(DISK, &origin, "");
    let mut daemon = begin(&text);
    let damage: [fn(&Path); 3] = [
        |file| {
            let mut bytes = std::fs::read(file).unwrap();
            let middle = bytes.len() - 50;
            bytes[middle] ^= 1;
            std::fs::write(file, bytes).unwrap();
        },
        |file| {
            let bytes = std::fs::read(file).unwrap();
            std::fs::write(file, &bytes[..bytes.len() - 50]).unwrap();
        },
        |file| std::fs::write(file, "HTTP/1.1 200 OK\r\n\r\nmine").unwrap(),
    ];
    for (number, act) in damage.iter().enumerate() {
        assert_eq!(daemon.public.get("/x/100000").0, 200);
        until("it is written", || metric(&daemon, "objects") == 1);
        let home = daemon.leave();
        act(&files(home.path())[0]);
        daemon = start(home, &text);
        assert!(!has(&daemon, "/x/100000", ""), "{number}");
        assert_eq!((metric(&daemon, "objects"), metric(&daemon, "errors_total")), (0, 1));
        daemon.heard("the cache's disk: ");
    }
    assert_eq!(origin.requests().len(), 3);
}

/// A file system of its own that is far smaller than what is allowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_costs_no_request_and_is_used_on() {
    let origin = origin(FRESH).await;
    let text = text(DISK, &origin, "");
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("cache")).unwrap();
    let mut daemon = Daemon::start_in(home, &text, |file| {
        let mut command = Command::new("unshare");
        let mount = "mount -t tmpfs -o size=1m none \"$1\" && exec \"$2\" run -c \"$3\"";
        let folder = file.parent().unwrap().join("cache");
        command.args(["--map-root-user", "--mount", "sh", "-c", mount, "sh"]);
        command.arg(folder).arg(JANUA).arg(file);
        command
    });
    daemon.heard("the cache's disk is ready");
    let target = |number: usize| format!("/{number}/60000");
    for number in 0..60 {
        assert_eq!(daemon.public.get(&target(number)).0, 200);
    }
    until("all are done", || {
        metric(&daemon, "writes_total") + metric(&daemon, "dropped_writes_total") == 60
    });
    assert_eq!(metric(&daemon, "errors_total"), 0);
    assert!(metric(&daemon, "writes_total") >= 50, "{}", metric(&daemon, "writes_total"));
    assert!(metric(&daemon, "evictions_total") > 20);
    // There is room for seventeen.
    assert!((4..18).contains(&metric(&daemon, "objects")));
    assert!((0..60).all(|number| has(&daemon, &target(number), "")), "memory has them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_holds_up_no_worker_and_not_the_end() {
    let origin = origin(FRESH).await;
    let text = text(DISK, &origin, "");
    let text = text.replace("5s", "2s");
    let daemon = begin(&text);
    daemon.public.get("/x/100");
    until_written(&daemon, 1);
    let daemon = again(daemon, &text);
    let file = &files(daemon.home.path())[0];
    // Whoever opens it waits for somebody who writes.
    std::fs::remove_file(file).unwrap();
    assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
    let door = daemon.public.clone();
    let waits = std::thread::spawn(move || (door.get("/x/100"), Instant::now()));
    let since = Instant::now();
    // One worker does both.
    for number in 0..20 {
        assert_eq!(daemon.public.get(&format!("/{number}/10")).0, 200);
    }
    let done = Instant::now();
    let ((status, answer), answered) = waits.join().unwrap();
    assert!(status == 200 && answer.ends_with(&body("/x/100")), "the origin says it");
    assert!(
        answered.duration_since(since) >= Duration::from_millis(1_500),
        "it waited for the disk"
    );
    assert!(done < answered, "others did not");
    assert_eq!(metric(&daemon, "errors_total"), 1);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
}
