# SPDX-License-Identifier: BSD-2-Clause
"""What the benches share: targets, profilers, paired windows, tables, claims.

A bench is a module in this directory with a list BENCHES of functions; each takes a Bench and returns
a Table. Those that MAIN names too are run by `make bench`, all of them by `make bench-full`.
"""

import contextlib
import glob
import json
import mmap
import os
import platform
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time


# Targets and profilers alike: what else the machine does shall not be measured.
NICE = ["nice", "-n", "-20"]
BPFTOOL = next(iter(glob.glob("/usr/sbin/bpftool") + glob.glob("/usr/lib/linux-tools/*/bpftool")), "bpftool")
BPF_STATS = "/proc/sys/kernel/bpf_stats_enabled"


class Claim:
    """A figure that README or an issue speaks of: what tprof has, its limit, what the others have."""

    def __init__(self, what, value, limit="", ok=True, others="", readme=False):
        self.what, self.value, self.limit, self.ok = what, value, limit, bool(ok)
        self.others, self.readme = others, readme

    def data(self):
        return {"what": self.what, "tprof": self.value, "limit": self.limit, "met": self.ok,
                "others": self.others, "readme": self.readme}


class Table:
    """Rows of a title, a way of measuring and columns; rows may make claims."""

    def __init__(self, name, title, how, columns):
        self.name, self.title, self.how, self.columns = name, title, how, columns
        self.rows, self.claims = [], []

    def row(self, *cells, raw=None, claim=None):
        """cells as shown; raw: numbers for the JSON; claim: a Claim that the row stands for."""
        cells = [str(c) for c in cells]
        self.rows.append({"cells": cells, "raw": raw})
        self.claim(claim)
        print("  " + " · ".join(cells), file=sys.stderr, flush=True)

    def claim(self, claim):
        if claim:
            self.claims.append(claim.data())
            if not claim.ok:
                print(f"  missed: {claim.what}: {claim.value}, limit {claim.limit}", file=sys.stderr, flush=True)

    def data(self):
        return {"name": self.name, "title": self.title, "how": " ".join(self.how.split()),
                "columns": self.columns, "rows": self.rows, "claims": self.claims}


def spread(values, unit="", digits=1):
    """median (lowest … highest)"""
    f = f"{{:.{digits}f}}"
    low, mid, high = min(values), statistics.median(values), max(values)
    return f"{f.format(mid)}{unit} ({f.format(low)} … {f.format(high)})"


def median(values, unit="", digits=1):
    return f"{statistics.median(values):.{digits}f}{unit}"


def noise(values):
    """How far apart the quarters of the control's windows lie: what is smaller is not told apart."""
    if len(values) < 4:
        return max(values) - min(values)
    quarters = statistics.quantiles(values, n=4)
    return quarters[2] - quarters[0]


@contextlib.contextmanager
def bpf_stats():
    """The kernel counts the BPF programs' runs and time, as long as this lasts."""
    with open(BPF_STATS) as f:
        old = f.read()
    try:
        with open(BPF_STATS, "w") as f:
            f.write("1")
        yield
    finally:
        with open(BPF_STATS, "w") as f:
            f.write(old)


def fdinfo(path):
    """{field: text} of a file in /proc/PID/fdinfo; {} once it is gone."""
    try:
        with open(path) as f:
            return dict(line.split(":", 1) for line in f if ":" in line)
    except OSError:
        return {}


def fdinfos(pid):
    """(path, fields) of all that a process has open."""
    return [(path, fdinfo(path)) for path in glob.glob(f"/proc/{pid}/fdinfo/*")]


def bpf_programs(pid):
    """{name: fields of fdinfo} of a process's BPF programs; run_cnt and run_time_ns within bpf_stats()."""
    of_id = {}
    for _, fields in fdinfos(pid):
        if "prog_type" in fields:  # a link names its program too
            of_id[int(fields["prog_id"])] = {k: int(v) for k, v in fields.items() if v.strip().isdigit()}
    listed = json.loads(subprocess.run([BPFTOOL, "-j", "prog", "list"], check=True, stdout=subprocess.PIPE).stdout)
    return {p["name"]: of_id[p["id"]] for p in listed if p["id"] in of_id}


class Target:
    """A workload that counts its operations in shared memory (tests/workloads/bench_*.c)."""

    def __init__(self, bench, *args, cpu=None):
        self.file = tempfile.NamedTemporaryFile(dir=bench.tmp)
        self.file.truncate(4096)
        self.memory = mmap.mmap(self.file.fileno(), 4096)
        command = [os.path.join(bench.workloads, args[0]), self.file.name, *args[1:]]
        if cpu is not None:
            command = ["taskset", "-c", str(cpu), *command]
        command = [*NICE, *command]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.pid = self.process.pid
        deadline = time.monotonic() + 10
        while self.count() == 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"{args[0]} does not count")
            time.sleep(0.01)

    def count(self):
        return struct.unpack_from("Q", self.memory, 0)[0]

    def waited(self):
        """Seconds that its (only) thread was ready but not running."""
        with open(f"/proc/{self.pid}/schedstat") as f:
            return int(f.read().split()[1]) / 1e9

    def rate(self, seconds):
        """Operations a second over a window from now. The time for which other processes had the CPU
        is taken out; interrupts, which sampling lives in, are not."""
        c0, w0, t0 = self.count(), self.waited(), time.monotonic()
        time.sleep(seconds)
        c1, w1, t1 = self.count(), self.waited(), time.monotonic()
        return (c1 - c0) / ((t1 - t0) - (w1 - w0))

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.memory.close()
        self.file.close()


class Profiler:
    """A profiler to hold against tprof: how to start it on a PID, and whether it is there."""

    def __init__(self, name, command, settle=0.7):
        self.name, self.command, self.settle = name, command, settle

    def available(self):
        return shutil.which(self.command(1, 99, "/dev/null")[0]) is not None

    @contextlib.contextmanager
    def running(self, bench, pid, hz, cpu=None):
        """Runs it until the block ends; the block begins when it has surely attached."""
        out = os.path.join(bench.tmp, f"{self.name.split()[0]}.out")
        command = self.command(pid, hz, out)
        if cpu is not None:
            command = ["taskset", "-c", str(cpu), *command]
        command = [*NICE, *command]
        log = open(os.path.join(bench.tmp, "profiler.log"), "wb")
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            time.sleep(self.settle)
            if process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: " + open(log.name, errors="replace").read()[-500:])
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.close()


# Takes a turn like a profiler and does nothing: what its windows show is the noise of the machine.
CONTROL = Profiler("none (noise)", lambda pid, hz, out: ["sleep", "60"], settle=0.2)


class Bench:
    def __init__(self, build, rounds, quick):
        self.build = os.path.realpath(build)
        self.tprof = os.path.join(self.build, "tprof")
        self.workloads = os.path.join(self.build, "workloads")
        # what takes long to make is kept here
        self.cache = os.path.join(self.build, "bench")
        os.makedirs(self.cache, exist_ok=True)
        self.rounds, self.quick = rounds, quick
        self.tmp = tempfile.mkdtemp(prefix="tprof-bench.")
        self.profilers = [
            Profiler("tprof", lambda pid, hz, out: [
                self.tprof, "record", "-q", "-p", str(pid), "-F", str(hz), "-o", out + ".tprof"]),
            Profiler("perf record -g", lambda pid, hz, out: [
                "perf", "record", "-q", "-g", "-F", str(hz), "-p", str(pid), "-o", out]),
            Profiler("bpftrace", lambda pid, hz, out: [
                "bpftrace", "-e",
                f"profile:hz:{hz} /pid == {pid}/ {{ @[ustack, kstack] = count(); }}", "-o", out]),
        ]

    def close(self):
        shutil.rmtree(self.tmp, ignore_errors=True)

    def seconds(self, full, quick):
        return quick if self.quick else full

    def paired(self, target, hz, profilers, window=0.5, rounds=None):
        """{name: [slowdown in %]}: each window with a profiler over one running target, against the
        mean of the windows without one right before and after it; profilers take turns."""
        slowdown = {p.name: [] for p in profilers}
        for _ in range(rounds or self.rounds):
            before = target.rate(window)
            for p in profilers:
                with p.running(self, target.pid, hz, cpu=0):
                    during = target.rate(window)
                after = target.rate(window)
                slowdown[p.name].append((1 - during / ((before + after) / 2)) * 100)
                before = after
        return slowdown

    def machine(self):
        model = "unknown"
        with open("/proc/cpuinfo") as f:
            for line in f:
                if line.startswith("model name"):
                    model = line.split(":", 1)[1].strip()
                    break
        with open("/proc/meminfo") as f:
            memory = int(re.search(r"MemTotal:\s+(\d+)", f.read())[1]) / 2**20
        virtual = first("systemd-detect-virt", "--vm") or "no"
        distribution = "unknown"
        with contextlib.suppress(OSError):
            with open("/etc/os-release") as f:
                distribution = re.search(r'PRETTY_NAME="(.*)"', f.read())[1]
        return {
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "machine": f"{os.cpu_count()} × {model}, {memory:.0f} GB; virtual machine: {virtual}",
            "system": f"{distribution}, Linux {platform.release()}",
            "tprof": first(self.tprof, "--version").replace("tprof ", "") + commit(),
            "perf": first("perf", "--version").replace("perf version ", "") + " (without BPF skeletons: no --off-cpu)"
                    * (not perf_has_skeletons()),
            "bpftrace": first("bpftrace", "--version").replace("bpftrace ", ""),
            "libbpf-tools": package("libbpf-tools"),
            "strace": first("strace", "--version").replace("strace -- version ", ""),
            "speedscope, chromium": f"{SPEEDSCOPE}, {package('chromium')}",
            "load before": "%.2f" % os.getloadavg()[0],
        }


SPEEDSCOPE = "1.25.0"


def first(*command):
    """The first line that a command says, or ''."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError, IndexError):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
    return ""


def commit():
    here = os.path.dirname(os.path.realpath(__file__))
    name = first("git", "-C", here, "rev-parse", "--short", "HEAD")
    return f" ({name})" if name else ""


def package(name):
    return first("dpkg-query", "-W", "-f", "${Version}\n", name) or "not installed"


def perf_has_skeletons():
    with contextlib.suppress(OSError):
        said = subprocess.run(["perf", "record", "--off-cpu", "-o", "/dev/null", "true"], capture_output=True, text=True)
        return "BUILD_BPF_SKEL" not in said.stderr
    return False


def dump(path, value):
    with open(path + ".new", "w") as f:
        json.dump(value, f, indent=1, ensure_ascii=False)
        f.write("\n")
    os.rename(path + ".new", path)
