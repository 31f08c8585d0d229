# SPDX-License-Identifier: BSD-2-Clause
"""Real programs under load, as Debian ships them: on loopback, in a directory of their own, and gone with
it. Each starter gets a Running; what it starts is to be recorded unless it says target=False."""

import os
import shutil
import signal
import subprocess
import tempfile
import time

JAVA = """import java.util.*;
public class J { static int f(int n) { return n < 2 ? n : f(n - 1) + f(n - 2); }
public static void main(String[] a) { long s = 0; while (true) { s += f(25);
List<Integer> l = new ArrayList<>(); for (int i = 0; i < 20000; i++) l.add((int) (i * 2654435761L));
Collections.sort(l); s += l.get(5); } } }"""
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Running:
    """A target's processes: setting up, the load, and the PIDs to record."""

    def __init__(self, bench=None):
        self.bench, self.children, self.pids, self.dir = bench, [], [], tempfile.mkdtemp(prefix="tprof-bench-")
        self.root = ""      # where its files are, when in a chroot
        self.comm = None    # for targets whose processes come and go: their name
        self.cleanup = []

    def start(self, *command, target=True, **more):
        child = subprocess.Popen(command, **{**QUIET, **more}, start_new_session=True)
        self.children.append(child)
        if target:
            self.pids.append(child.pid)
        return child

    def stop(self):
        for child in reversed(self.children):
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()
        for what in reversed(self.cleanup):
            what()
        shutil.rmtree(self.dir, ignore_errors=True)

    def until(self, *command, seconds=20):
        """Runs a command until it succeeds."""
        deadline = time.monotonic() + seconds
        while subprocess.run(command, **QUIET).returncode:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]}: not within {seconds} s")
            time.sleep(0.1)


def redis(r):
    r.start("redis-server", "--port", "7391", "--bind", "127.0.0.1", "--save", "", "--dir", r.dir)
    r.until("redis-cli", "-p", "7391", "ping")
    r.start("redis-benchmark", "-p", "7391", "-n", "100000000", "-q", target=False)


def openssl(r):
    r.start("openssl", "speed", "-seconds", "120", "rsa2048")


def python(r):
    r.start("python3", "-c", "import re\nwhile 1: re.sub('(a|b)*c', 'x', 'ababab' * 20); "
            "sorted(range(1000), key=lambda x: -x)")


def perl(r):
    r.start("perl", "-e", "while (1) { my %h; $h{$_}++ for 1..1000; my @a = sort keys %h; }")


def git(r):
    subprocess.run(["git", "-C", r.dir, "init", "-q"], check=True)
    with open(os.path.join(r.dir, "big0"), "wb") as f:
        for i in range(400000):
            f.write(b"%d line of a file %d\n" % (i, i * 7919))
    for i in range(1, 250):
        os.link(os.path.join(r.dir, "big0"), os.path.join(r.dir, "big%d" % i))
    r.start("git", "grep", "--no-index", "--threads", "1", "-E", "-c", "(a|l|f)*x?(i|n|e)*y", "--",
            *["big%d" % i for i in range(250)], cwd=r.dir)


def nginx(r):
    conf = os.path.join(r.dir, "nginx.conf")
    with open(conf, "w") as f:
        f.write("daemon off; master_process off; error_log /dev/null; pid %s/pid; events {}\n"
                "http { access_log off; server { listen 127.0.0.1:7392; location / { return 200 ok; } } }\n"
                % r.dir)
    r.start("nginx", "-c", conf)
    time.sleep(0.5)
    r.start("python3", "-c", "import socket\nwhile 1:\n s = socket.create_connection(('127.0.0.1', 7392))\n"
            " for i in range(500): s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' * 8); s.recv(65536)",
            target=False)


def postgres(r):
    bindir = subprocess.run("ls -d /usr/lib/postgresql/*/bin", shell=True, check=True, text=True,
                            stdout=subprocess.PIPE).stdout.split()[-1]
    shutil.chown(r.dir, "postgres")
    data = os.path.join(r.dir, "data")
    as_pg = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    subprocess.run(as_pg + [bindir + "/initdb", "-D", data, "-A", "trust", "-N"], check=True, cwd=r.dir, **QUIET)
    server = r.start(*as_pg, bindir + "/postgres", "-D", data, "-p", "7393", "-k", r.dir, "-F",
                     "-c", "listen_addresses=", target=False, cwd=r.dir)
    url = ["-h", r.dir, "-p", "7393", "-U", "postgres", "postgres"]
    r.until("pgbench", "-i", "-q", *url)
    r.start("pgbench", "-c", "2", "-T", "600", "-S", *url, target=False)
    time.sleep(1)
    with open(f"/proc/{server.pid}/task/{server.pid}/children") as f:
        children = [int(p) for p in f.read().split()]
    for pid in children:
        with open(f"/proc/{pid}/cmdline") as f:
            if f.read().startswith("postgres: postgres postgres"):
                r.pids.append(pid)


def mariadb(r):
    data, socket = os.path.join(r.dir, "data"), os.path.join(r.dir, "socket")
    subprocess.run(["mariadb-install-db", "--no-defaults", "--datadir=" + data, "--user=root", "--skip-test-db",
                    "--auth-root-authentication-method=normal"], check=True, **QUIET)
    r.start("mariadbd", "--no-defaults", "--user=root", "--datadir=" + data, "--socket=" + socket,
            "--skip-networking", "--pid-file=" + os.path.join(r.dir, "pid"))
    client = ["--no-defaults", "-uroot", "-S", socket]
    r.until("mariadb", *client, "-e", "select 1")
    r.start("mariadb-slap", *client, "--concurrency=4", "--iterations=1000", "--auto-generate-sql",
            "--auto-generate-sql-load-type=mixed", "--number-of-queries=2000", target=False)
    time.sleep(2)


def sshd(r):
    key, host_key, conf = (os.path.join(r.dir, n) for n in ("key", "host", "conf"))
    for file in (key, host_key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    if not os.path.isdir("/run/sshd"):
        os.mkdir("/run/sshd", 0o755)
        r.cleanup.append(lambda: os.rmdir("/run/sshd"))
    with open(conf, "w") as f:
        f.write(f"Port 7395\nListenAddress 127.0.0.1\nHostKey {host_key}\nAuthorizedKeysFile {key}.pub\n"
                "StrictModes no\nPidFile none\nUsePAM no\nPermitRootLogin yes\nMaxStartups 100\n")
    r.start(shutil.which("sshd", path="/usr/sbin"), "-D", "-f", conf)
    r.comm = "sshd"
    time.sleep(0.3)
    ssh = (f"ssh -F /dev/null -i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
           "-o IdentitiesOnly=yes -p 7395 root@127.0.0.1")
    r.start("sh", "-c", f"while :; do {ssh} true; done", target=False)
    r.start("sh", "-c", f"while :; do {ssh} head -c 100000000 /dev/zero >/dev/null; done", target=False)
    time.sleep(0.7)


def java(r):
    path = os.path.join(r.dir, "J.java")
    with open(path, "w") as f:
        f.write(JAVA)
    r.start("java", "-XX:+PreserveFramePointer", path)
    time.sleep(3)


def known(depth):
    def start(r):
        r.start(os.path.join(r.bench.workloads, "unw_depth"), "plain", str(depth))
    return start


def cxx(r):
    r.start(os.path.join(r.bench.workloads, "unw_cxx"), "60")


def rust(r):
    source = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "workloads", "unw_rust.rs")
    program = os.path.join(r.bench.cache, "unw_rust")
    if not os.path.exists(program):
        subprocess.run(["rustc", "-O", "-C", "panic=abort", "-o", program, source], check=True, **QUIET)
    r.start(program, "60")


# what, the program that must be there, how to start it, percent complete at least, in `make bench` too
TARGETS = [
    ("C, 120 frames deep", "cc", known(120), 100, False),
    ("C++, 122 frames deep, exceptions, LTO", "c++", cxx, 100, False),
    ("Rust, 120 frames deep", "rustc", rust, 100, False),
    ("redis-server under redis-benchmark", "redis-server", redis, 99.5, True),
    ("nginx", "nginx", nginx, 99.5, True),
    ("postgres under pgbench", "pgbench", postgres, 99.5, True),
    ("mariadbd under mariadb-slap", "mariadbd", mariadb, 99.5, False),
    ("openssl speed rsa2048", "openssl", openssl, 99.5, True),
    ("python3", "python3", python, 99.5, True),
    ("perl", "perl", perl, 99.5, False),
    ("sshd, logins and a stream", "sshd", sshd, 99.5, False),
    ("git grep", "git", git, 99.5, False),
    ("java -XX:+PreserveFramePointer", "java", java, 99, True),
]
