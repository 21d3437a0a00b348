"""A server of server-sent events, each of which waits until somebody asks for `/go`; `/hold` sends
nothing, and `/gone` says when a client of it has left. Says its port when it listens."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

go = threading.Semaphore(0)
gone = threading.Semaphore(0)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        match self.path:
            case "/events":
                for number in range(1, 4):
                    self.wfile.write(f"id: {number}\ndata: event {number}\n\n".encode())
                    go.acquire()
            case "/go":
                go.release()
            case "/hold":
                self.rfile.read(1)
                gone.release()
            case "/gone":
                self.wfile.write(b"gone" if gone.acquire(timeout=10) else b"still there")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
