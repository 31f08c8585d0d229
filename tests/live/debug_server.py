#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A server of debug files: debug_server.py DIR hands out DIR/BUILD_ID, or, as the names of files in DIR
say, never answers (hang) or never ends (endless). Its port goes to DIR/port, what it was asked to DIR/log.
"""
import http.server
import os
import sys
import threading

DIR = sys.argv[1]


def there(name):
    return os.path.exists(os.path.join(DIR, name))


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(os.path.join(DIR, "log"), "a", encoding="ascii") as f:
            print(self.path, file=f)
        parts = self.path.split("/")
        if there("hang"):
            threading.Event().wait()
        if len(parts) != 4 or parts[3] != "debuginfo" or not parts[2].isalnum() or not there(parts[2]):
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        with open(os.path.join(DIR, parts[2]), "rb") as f:
            self.wfile.write(f.read())
        while there("endless"):
            self.wfile.write(bytes(4096))
            threading.Event().wait(0.01)

    def log_message(self, *args):
        """Not to stderr."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
with open(os.path.join(DIR, "port.new"), "w", encoding="ascii") as f:
    print(server.server_port, file=f)
os.rename(os.path.join(DIR, "port.new"), os.path.join(DIR, "port"))
server.serve_forever()
