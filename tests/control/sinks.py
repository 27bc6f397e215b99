"""tests/control/sinks.py -- where alerts arrive in tests: a web hook's receiver and a mail server."""
import http.client
import http.server
import json
import socketserver
import threading


class Hook:
    """A web hook's receiver; answers with the next of `statuses`, then with 200."""

    def __init__(self, statuses=()):
        self.got, self.statuses = [], list(statuses)
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((dict(self.headers), body))
                self.send_response(hook.statuses.pop(0) if hook.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words):
                pass

            def do_GET(self):
                self.send_error(404)

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def settle(self):
        """Once it has heard all who asked before: it hears one after the other."""
        connection = http.client.HTTPConnection(*self.server.server_address)
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()

    def notices(self):
        return [json.loads(body) for _, body in self.got]


class MailServer:
    """An SMTP server (RFC 5321, no extensions) that keeps what it is given."""

    def __init__(self):
        self.got = []
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line):
                self.wfile.write(line.encode() + b"\r\n")

            def handle(self):
                self.say("220 sink")
                envelope = []
                for raw in self.rfile:
                    line = raw.decode().rstrip("\r\n")
                    word = line.split(":")[0].split(" ")[0].upper()
                    if word in ("MAIL", "RCPT"):
                        envelope.append(line)
                    if word == "DATA":
                        self.say("354 go on")
                        lines = []
                        for data in self.rfile:
                            if data == b".\r\n":
                                break
                            lines.append(data.decode())
                        server.got.append((envelope, "".join(lines)))
                        envelope = []
                    self.say("221 bye" if word == "QUIT" else "250 ok")
                    if word == "QUIT":
                        return

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"smtp://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
