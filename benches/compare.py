#!/usr/bin/env python3
"""Measures Janua beside nginx and HAProxy on this machine, and prints the README's table.

    cargo build --release && benches/compare.py

The figure is the CPU time that a proxy spends per request, user and system, all its threads, as the kernel
counts it, divided by nginx's in the same round. Within a round they take turns of a quarter of a second: a
noisy neighbour, who stays for longer, then disturbs all alike. The table has the median over the rounds.
Every proxy works with one thread on a core that it has to itself; load generator
and origin (an nginx that all share) are elsewhere, on two cores if there are three. Connections to the
origin are kept, and all add to a message what Janua adds: Via, X-Forwarded-* and X-Request-Id. A request
that fails is reported and makes the exit code 1. All traffic is on 127.0.0.1.

Debian: apt-get install nginx-light haproxy wrk nghttp2-client openssl
"""

import argparse
import contextlib
import hashlib
import os
import re
import resource
import shlex
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ORIGIN_PORT = 9001
CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE, LOAD_CORE, ORIGIN_CORE = CORES[0], CORES[1], CORES[2 if len(CORES) > 2 else 1]
IDLE, PATIENCE, TURN = 1000, 10, 0.25
UPLOAD = b"b" * 16384
pin = lambda core: lambda: os.sched_setaffinity(0, {core})
KEY, ROUTES = "a-key-of-somebody", 1000
INSECURE = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
INSECURE.check_hostname, INSECURE.verify_mode = False, ssl.CERT_NONE
# No more requests at a time than the connections to the origin that each proxy may keep.
WRK, H2LOAD = "wrk -t1 -c64 -d{seconds}s", "h2load -t1 -c32 -m10 -D{seconds}"


@dataclass
class Scenario:
    """What clients ask for and must get, and what the proxies are told to do beside."""

    title: str
    load: str = WRK
    path: str = "/small"
    size: int = 128
    tls: bool = False
    log: bool = False
    policy: bool = False
    cache: bool = False
    # Whether nginx, which keeps files, has the kernel send them; it does not unless it is told to.
    sendfile: bool = False
    upload: bytes | None = None

    def url(self, port):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{port}{self.path}"


SCENARIOS = {
    "plain": Scenario("HTTP/1.1, 128 B"),
    "log": Scenario("HTTP/1.1, 128 B, access log as JSON", log=True),
    "body64k": Scenario("HTTP/1.1, 64 KiB", path="/large", size=65536),
    "post16k": Scenario("HTTP/1.1, upload of 16 KiB", load=WRK + " -s {home}/upload.lua", upload=UPLOAD),
    "tls": Scenario("HTTP/1.1 over TLS, 128 B", tls=True),
    "tls64k": Scenario("HTTP/1.1 over TLS, 64 KiB", path="/large", size=65536, tls=True),
    "handshake": Scenario("a TLS connection for each request", load=WRK + " -H 'Connection: close'", tls=True),
    "h2": Scenario("HTTP/2 over TLS, 32 × 10 streams, 128 B", load=H2LOAD, tls=True),
    "policy": Scenario(
        f"an address list, an API key, a rate limit, {ROUTES:,} routes", load=f"{WRK} -H 'x-api-key: {KEY}'", policy=True
    ),
    "cache": Scenario("HTTP/1.1, 128 B, out of the cache", path="/kept", cache=True),
    "cache1m": Scenario("HTTP/1.1, 1 MiB, out of the cache", path="/keptlarge", size=1 << 20, cache=True),
    "cache1m-sendfile": Scenario(
        "the same, nginx with `sendfile on`", path="/keptlarge", size=1 << 20, cache=True, sendfile=True
    ),
    "idle": Scenario("in clear", load=""),
    "idletls": Scenario("over TLS", load="", tls=True),
}


class Proxy:
    """One that is measured: its subclasses write a configuration and say how it is started."""

    def __init__(self, name, binary, flag):
        self.name, self.binary = name, binary
        done = subprocess.run([binary, flag], capture_output=True, text=True)
        self.version = re.search(r"\d+\.[\d.]*\d", done.stdout + done.stderr)[0]


class Nginx(Proxy):
    def command(self, folder, http):
        """One worker, and no file outside of the folder."""
        temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        text = f"""
            daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
            events {{ worker_connections 8192; }}
            http {{
                {"".join(f"{kind}_temp_path {folder}/{kind}; " for kind in temporary)}
                keepalive_requests 1000000000; keepalive_timeout 300s; client_body_buffer_size 64k;
                {http}
            }}"""
        return [self.binary, "-p", folder, "-c", written(folder / "nginx.conf", text)]

    def proxy(self, home, folder, port, scenario):
        listen = f"listen 127.0.0.1:{port};"
        if scenario.tls:
            new = tuple(map(int, self.version.split(".")[:2])) >= (1, 25)
            listen = f"""listen 127.0.0.1:{port} ssl {"; http2 on" if new else "http2"};
                ssl_certificate {home}/cert.pem; ssl_certificate_key {home}/key.pem;
                ssl_protocols TLSv1.2 TLSv1.3;"""
        line = json_line(
            time="$time_iso8601", client="$remote_addr", method="$request_method", host="$host",
            path="$request_uri", status="$status", bytes="$body_bytes_sent", seconds="$request_time",
            upstream="$upstream_addr", waited="$upstream_response_time", agent="$http_user_agent",
        )
        log = f"{folder}/access.log json buffer=64k flush=1s" if scenario.log else "off"
        once = here = routes = ""
        if scenario.policy:
            once = f"""limit_req_zone $binary_remote_addr zone=clients:10m rate=1000000r/s;
            map $http_x_api_key $known {{ default 0; {KEY} 1; }}"""
            here = """allow 127.0.0.0/8; allow 10.0.0.0/8; deny all;
                    limit_req zone=clients burst=1000000 nodelay; if ($known = 0) { return 401; }"""
            routes = "".join(f"location /api/v{n}/items/ {{ proxy_pass http://origin; }}" for n in range(ROUTES))
        if scenario.cache:
            once = f"proxy_cache_path {folder}/cache keys_zone=answers:10m;"
            here = "proxy_cache answers; proxy_cache_valid 200 60s;"
            if scenario.sendfile:
                here += " sendfile on; tcp_nopush on;"
        return self.command(folder, f"""
            log_format json escape=json '{line}';
            access_log {log};
            {once}
            upstream origin {{
                server 127.0.0.1:{ORIGIN_PORT}; keepalive 512; keepalive_requests 1000000000;
            }}
            server {{
                {listen}
                {routes}
                location / {{
                    {here}
                    proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
                    proxy_set_header Host $http_host; proxy_set_header Via "1.1 nginx";
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    proxy_set_header X-Forwarded-Proto $scheme;
                    proxy_set_header X-Forwarded-Host $http_host;
                    proxy_set_header X-Request-Id $request_id; add_header X-Request-Id $request_id;
                }}
            }}""")

    def origin(self, folder):
        """Small answers come from the configuration, large ones from a file."""
        written(folder / "large", "x" * 65536)
        written(folder / "keptlarge", "x" * (1 << 20))
        return self.command(folder, f"""
            access_log off; sendfile on; open_file_cache max=10;
            server {{
                listen 127.0.0.1:{ORIGIN_PORT};
                location = /small {{ return 200 "{'x' * 128}"; }}
                location = /kept {{ add_header Cache-Control max-age=60; return 200 "{'x' * 128}"; }}
                location = /large {{ root {folder}; }}
                location = /keptlarge {{ add_header Cache-Control max-age=60; root {folder}; }}
            }}""")


class Haproxy(Proxy):
    def proxy(self, home, folder, port, scenario):
        line = json_line(
            time="%Tl", client="%ci", method="%HM", host="%[capture.req.hdr(0),json]",
            path="%[capture.req.uri,json]", status="%ST", bytes="%B", ms="%Ta",
            upstream="%si:%sp", waited="%Tr", agent="%[capture.req.hdr(1),json]",
        )
        log = f"""
                log stdout format raw local0
                log-format '{line}'
                http-request capture req.hdr(host) len 128
                http-request capture req.hdr(user-agent) len 128"""
        tls = f"ssl crt {home}/both.pem alpn h2,http/1.1" if scenario.tls else ""
        policy = ""
        if scenario.policy:
            routes = written(folder / "routes", "".join(f"/api/v{n}/items/ origin\n" for n in range(ROUTES)))
            policy = f"""
                stick-table type ip size 100k expire 60s store http_req_rate(1s)
                http-request deny deny_status 403 unless {{ src 127.0.0.0/8 10.0.0.0/8 }}
                http-request deny deny_status 401 unless {{ req.hdr(x-api-key) {KEY} }}
                http-request track-sc0 src
                http-request deny deny_status 429 if {{ sc0_http_req_rate gt 1000000 }}
                use_backend %[path,map_beg({routes},origin)]"""
        cache = use = ""
        if scenario.cache:
            lines = ["cache answers", "total-max-size 64", "max-object-size 2000000", "max-age 60"]
            cache = "\n                ".join(lines)
            use = "http-request cache-use answers\n                http-response cache-store answers"
        text = f"""
            global
                nbthread 1
                maxconn 8192
            {cache}
            defaults
                mode http
                timeout connect 5s
                timeout client 300s
                timeout server 300s
                http-reuse always
                option forwardfor
            frontend public
                bind 127.0.0.1:{port} {tls} {log if scenario.log else ""}
                unique-id-format %[uuid]
                unique-id-header X-Request-Id
                http-request set-header Via "1.1 haproxy"
                http-request set-header X-Forwarded-Proto {"https" if scenario.tls else "http"}
                http-request set-header X-Forwarded-Host %[req.hdr(host)]
                http-response set-header X-Request-Id %[unique-id]
                {policy}
                default_backend origin
            backend origin
                {use}
                server origin 127.0.0.1:{ORIGIN_PORT} pool-max-conn 512\n"""
        return [self.binary, "-db", "-f", written(folder / "haproxy.cfg", text)]


class Janua(Proxy):
    def proxy(self, home, folder, port, scenario):
        tls = f'tls = {{ certificates = [{{ cert = "{home}/cert.pem", key = "{home}/key.pem" }}] }}'
        text = f"""
            server = {{ workers = 1, state = "{folder}" }}
            log = {{ access = "{"json" if scenario.log else "off"}", access-file = "{folder}/access.log" }}
            admin = {{ address = "unix:{folder}/admin.sock" }}
            [[listener]]
            address = "127.0.0.1:{port}"
            {tls if scenario.tls else ""}
            [upstream.origin]
            endpoints = ["http://127.0.0.1:{ORIGIN_PORT}"]
            [[route]]
            to = "origin"
            """
        if scenario.cache:
            text += 'cache = { ttl = "60s" }\n'
        if scenario.policy:
            text += f"""
            access = "near"
            auth = "keys"
            limit = "clients"
            [access.near]
            allow = ["127.0.0.0/8", "10.0.0.0/8"]
            [auth.keys]
            api-key = {{ keys = [{{ id = "one", sha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}" }}] }}
            [limit.clients]
            rate = "1000000/s"
            """
            for n in range(ROUTES):
                text += f'[[route]]\nhost = "h{n % 50}.example"\npath = "/api/v{n}/items/{{id}}"\nto = "origin"\n'
        return [self.binary, "run", "--config", written(folder / "janua.toml", text)]


def found(program):
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    return path or sys.exit(f"{program} is missing; {__doc__.strip().splitlines()[-1]}")


def json_line(**fields):
    return "{" + ",".join(f'"{name}":"{value}"' for name, value in fields.items()) + "}"


def written(path, text):
    path.write_text(text)
    return path


@contextlib.contextmanager
def running(command, core, port, folder):
    """A server, from when it listens until the block ends."""
    with open(folder / "output", "w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, preexec_fn=pin(core))
        try:
            end = time.monotonic() + PATIENCE
            while not listens(port):
                if process.poll() is not None or time.monotonic() > end:
                    sys.exit(f"{command[0]} does not listen\n{Path(output.name).read_text()[-2000:]}")
                time.sleep(0.02)
            yield process.pid
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            process.kill()
            process.wait()


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE):
        return True


def started(stack, scenario, home, proxies):
    """All proxies, each in a folder of its own: process and port of each."""
    servers = {}
    for port, proxy in enumerate(proxies, ORIGIN_PORT + 1):
        (folder := home / proxy.name).mkdir(exist_ok=True)
        command = proxy.proxy(home, folder, port, scenario)
        servers[proxy] = stack.enter_context(running(command, PROXY_CORE, port, folder)), port
    return servers


def family(pid):
    """A process and what it has started: nginx works in a child."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from family(int(child))
    yield pid


def cpu(pid):
    """Seconds of CPU that a server has used, user and system, all threads."""
    ticks = 0
    for member in family(pid):
        # The second field, in parentheses, may hold spaces: count from behind it.
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid):
    """KiB of memory; of a page that several use, each has its share."""
    rollups = (Path(f"/proc/{member}/smaps_rollup").read_text() for member in family(pid))
    return sum(int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1]) for rollup in rollups)


def expect(scenario, port):
    """Asks once and looks at the answer, so that nobody is measured at something else."""
    request = urllib.request.Request(scenario.url(port), scenario.upload, {"x-api-key": KEY})
    with urllib.request.urlopen(request, timeout=PATIENCE, context=INSECURE) as answer:
        got = answer.status, len(answer.read())
    if got != (200, scenario.size):
        sys.exit(f"{scenario.url(port)} answers with {got}")


def load(scenario, home, ports, seconds):
    """Lets clients loose, on several proxies in turns. Of each: how many requests succeeded, and how many did not?"""
    clients, whole = [], seconds * len(ports)
    with contextlib.ExitStack() as stack:
        for port in ports:
            command = shlex.split(scenario.load.format(seconds=whole, home=home)) + [scenario.url(port)]
            pipe = dict(stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            client = subprocess.Popen(command, **pipe, preexec_fn=pin(LOAD_CORE))
            # Whoever is stopped would stay for ever where this is broken off.
            stack.callback(client.kill)
            client.send_signal(signal.SIGSTOP)
            clients.append(client)
        end = time.monotonic() + whole
        while time.monotonic() < end:
            for client in clients:
                client.send_signal(signal.SIGCONT)
                time.sleep(min(TURN, max(0, end - time.monotonic())))
                client.send_signal(signal.SIGSTOP)
        for client in clients:
            client.send_signal(signal.SIGCONT)
        return [counted(client.args[0], client.communicate()[0]) for client in clients]


def counted(program, said):
    """How many requests succeeded, and how many did not, by what a client says."""
    count = lambda *patterns: sum(int(n) for p in patterns for n in re.findall(p, said))
    if program == "h2load":
        bad = count(r"(\d+) failed", r"(\d+) errored", r"(\d+) timeout", r"(\d+) [345]xx")
        return count(r"(\d+) succeeded"), bad
    refused = count(r"Non-2xx or 3xx responses: (\d+)")
    broken = count(*(rf"Socket errors:.*{kind} (\d+)" for kind in ("connect", "read", "write", "timeout")))
    return count(r"(\d+) requests in") - refused, refused + broken


def work(scenario, home, proxies, rounds, seconds):
    """For each proxy, round by round: seconds of CPU per request, and requests per second."""
    rows, failed = {proxy: [] for proxy in proxies}, False
    with contextlib.ExitStack() as stack:
        servers = started(stack, scenario, home, proxies)
        ports = [port for _, port in servers.values()]
        for port in ports:
            expect(scenario, port)
        load(scenario, home, ports, 1)
        for _ in range(rounds):
            befores = [cpu(pid) for pid, _ in servers.values()]
            done = load(scenario, home, ports, seconds)
            for (proxy, (pid, _)), before, (good, bad) in zip(servers.items(), befores, done):
                if bad or not good:
                    failed = True
                    print(f"{proxy.name}: {bad} requests failed, {good} did not", file=sys.stderr)
                rows[proxy].append(((cpu(pid) - before) / max(good, 1), good / seconds))
    return rows, failed


def idle(scenario, home, proxies):
    """MiB of memory before the first client, and KiB for each that has asked once and stays."""
    rest, each = [], []
    request = f"GET {scenario.path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    for proxy in proxies:
        with contextlib.ExitStack() as stack:
            ((pid, port),) = started(stack, scenario, home, [proxy]).values()
            before = memory(pid)
            for _ in range(IDLE):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
                if scenario.tls:
                    client = stack.enter_context(INSECURE.wrap_socket(client))
                client.sendall(request)
                assert client.recv(4096).startswith(b"HTTP/1.1 200"), proxy.name
            rest.append(before / 1024)
            each.append((memory(pid) - before) / IDLE)
    return rest, each


def ratios(rows, proxies):
    """Cells: the first proxy in microseconds, all as ratios to it, the median over the rounds."""
    base = [cost for cost, _ in rows[proxies[0]]]
    for proxy in proxies:
        ratio = statistics.median(cost / first for (cost, _), first in zip(rows[proxy], base))
        rate = statistics.median(rate for _, rate in rows[proxy])
        cost = f"{statistics.median(base) * 1e6:.1f} µs = " if proxy is proxies[0] else ""
        yield f"{cost}{ratio:.2f} ({rate / 1000:.1f}k/s)"


def row(title, cells):
    print(f"| {title} | {' | '.join(cells)} |", flush=True)


def prepare(home):
    """What the scenarios need: a certificate, the upload for wrk, and this process unhindered."""
    os.environ["no_proxy"] = "*"
    make = "openssl req -x509 -nodes -days 2 -subj /CN=x -newkey ec -pkeyopt ec_paramgen_curve:P-256"
    files = ["-keyout", home / "key.pem", "-out", home / "cert.pem"]
    subprocess.run(make.split() + files, check=True, capture_output=True)
    written(home / "both.pem", "".join(path.read_text() for path in files[1::2]))
    written(home / "upload.lua", f'wrk.method = "POST"\nwrk.body = string.rep("b", {len(UPLOAD)})\n')
    # A descriptor on each side for each idle client.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts (%(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="a round takes for each proxy (%(default)s)")
    parser.add_argument("--alone", action="store_true", help="beside no other proxies")
    parser.add_argument("--janua", action="append", metavar="[NAME=]PATH", help="may come again (target/release/janua)")
    chosen = parser.parse_args()
    builds = [build.rpartition("=") for build in chosen.janua or ["target/release/janua"]]
    chosen.janua = {name or "Janua": os.path.abspath(path) for name, _, path in builds}
    chosen.scenarios = chosen.scenarios.split(",")
    if unknown := set(chosen.scenarios) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(unknown)}")
    for path in chosen.janua.values():
        if not os.access(path, os.X_OK):
            parser.error(f"no janua at {path}: cargo build --release")
    return chosen


def main():
    chosen = options()
    for program in ("wrk", "h2load", "openssl"):
        found(program)
    nginx = Nginx("nginx", found("nginx"), "-v")
    failed, proxies = False, [] if chosen.alone else [nginx, Haproxy("HAProxy", found("haproxy"), "-v")]
    proxies += [Janua(name, path, "--version") for name, path in chosen.janua.items()]
    with tempfile.TemporaryDirectory(prefix="janua-compare-") as home, contextlib.ExitStack() as stack:
        # Started by root, nginx's worker is somebody else.
        (home := Path(home)).chmod(0o755)
        prepare(home)
        (folder := home / "origin").mkdir()
        stack.enter_context(running(nginx.origin(folder), ORIGIN_CORE, ORIGIN_PORT, folder))
        row("CPU per request", [f"{proxy.name} {proxy.version}" for proxy in proxies])
        row("---", ["---:"] * len(proxies))
        for scenario in map(SCENARIOS.get, chosen.scenarios):
            if scenario.load:
                rows, bad = work(scenario, home, proxies, chosen.rounds, chosen.seconds)
                failed |= bad
                row(scenario.title, ratios(rows, proxies))
            else:
                rest, each = idle(scenario, home, proxies)
                row(f"memory at rest, {scenario.title}", [f"{mib:.1f} MiB" for mib in rest])
                row(f"an idle client, {scenario.title}", [f"{kib:.1f} KiB" for kib in each])
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    print(f"\n{model[1] if model else os.uname().machine}, {len(CORES)} cores, Linux {os.uname().release};")
    print(f"the median of {chosen.rounds} rounds of {chosen.seconds} s.")
    sys.exit(failed)


if __name__ == "__main__":
    main()
