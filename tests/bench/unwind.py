# SPDX-License-Identifier: BSD-2-Clause
"""Complete user stacks of Debian's programs as shipped, what a sample costs, and what is written."""

import os
import re
import shutil
import signal
import statistics
import subprocess
import time

import programs
from harness import Claim, Table, bpf_stats, fdinfo, spread
from programs import QUIET, Running
from roots import NAMES, Maps, is_root
from trunk import perf_event_programs

HZ = 499
KERNEL = 1 << 63  # where its addresses begin
# A process's memory is gone in the one, not there yet in the others: then there are no user frames to be had.
WITHOUT_MEMORY = re.compile(r"^(do_exit|begin_new_exec|load_elf_binary)\b")


class Count:
    """Samples of a target by whether their stack reaches a root."""

    def __init__(self):
        self.whole = self.cut = self.without = 0

    def add(self, whole, n):
        self.whole += n * whole
        self.cut += n * (not whole)

    def add_kernel(self, functions, n):
        """A sample with kernel frames only, if any."""
        if not functions or any(WITHOUT_MEMORY.match(f) for f in functions):
            self.without += n
        else:
            self.cut += n

    def share(self):
        return 100 * self.whole / max(self.whole + self.cut, 1)

    def __str__(self):
        n = self.whole + self.cut
        return f"{self.share():.1f} % ({n:,})" if n else "no samples"


def _tprof(bench, r, seconds):
    out = os.path.join(r.dir, "out.folded")
    subprocess.run([bench.tprof, "record", "-q", "-p", ",".join(map(str, r.pids)), "-F", str(HZ), "-d",
                    str(seconds), "-o", out, *(["--follow"] if r.comm else [])], check=True, **QUIET)
    maps, count = Maps(r.pids, r.root), Count()
    with open(out) as f:
        for line in f:
            stack, n = line.rsplit(" ", 1)
            frames = stack.split(";")
            if r.comm not in (None, frames[0]):
                continue
            if all(f.endswith("_[k]") for f in frames[1:]):
                count.add_kernel([f.removesuffix("_[k]") for f in frames[1:]], int(n))
            else:
                count.add(frames[1] != "[truncated]" and _named_root(frames[1], maps), int(n))
    return count


def _named_root(frame, maps):
    """tprof's word that a stack is whole is not taken alone: its outermost frame must be a root to us too."""
    m = re.match(r"\[(.*)\+0x([0-9a-f]+)\]", frame)
    if m and m[1] in maps.by_name:
        path = maps.by_name[m[1]]
        return is_root(path if os.path.exists(path) else maps.root + path, int(m[2], 16))
    return bool(NAMES.match(frame))


def _perf(bench, r, seconds, *how):
    data = os.path.join(r.dir, "perf.data")
    subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-p", ",".join(map(str, r.pids)), "-F", str(HZ),
                    *how, "-o", data, "--", "sleep", str(seconds)], **QUIET)
    text = subprocess.run(["perf", "script", "-i", data, "--no-inline", "-F", "comm,ip,sym,dso",
                           *(["--symfs", r.root] if r.root else [])], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, errors="replace", timeout=120).stdout
    os.unlink(data)
    count = Count()
    for block in text.split("\n\n"):
        lines = block.strip().split("\n")
        m = re.match(r"\s*([0-9a-f]+) (.*) \((.*)\)$", lines[-1])
        if not m or r.comm not in (None, lines[0].strip()):
            continue
        if int(m[1], 16) >= KERNEL:
            count.add_kernel([line.split()[1] for line in lines[1:]], 1)
        else:
            path = m[3] if os.path.exists(m[3]) else r.root + m[3]
            count.add(bool(NAMES.match(m[2])) or is_root(path, int(m[1], 16)), 1)
    return count


def _bpftrace(bench, r, seconds):
    which = f'comm == "{r.comm}"' if r.comm else " || ".join(f"pid == {p}" for p in r.pids)
    text = subprocess.run(["bpftrace", "-e", f"profile:hz:{HZ} /{which}/ {{ @[ustack(perf, 127)] = count(); }} "
                           f"interval:s:{seconds} {{ exit(); }}"], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, errors="replace").stdout
    maps, count = Maps(r.pids, r.root), Count()
    root = maps.page_is_root if r.comm else maps.is_root
    for stack, n in re.findall(r"@\[(.*?)\]: (\d+)", text, re.S):
        if not stack.strip():
            count.add_kernel([], int(n))
            continue
        m = re.match(r"\s*([0-9a-f]+) (.*?)(\+\d+)? \(", stack.strip().split("\n")[-1])
        count.add(bool(m) and (bool(NAMES.match(m[2])) or root(int(m[1], 16))), int(n))
    return count


WAYS = [("tprof", _tprof), ("perf -g", lambda b, r, s: _perf(b, r, s, "-g")),
        ("perf dwarf, 8 KB", lambda b, r, s: _perf(b, r, s, "--call-graph", "dwarf")),
        ("bpftrace ustack", _bpftrace)]


def _at_least(percent):
    return "100 %" if percent == 100 else f"at least {percent} %"


def _complete(bench, targets):
    seconds = bench.seconds(2, 1)
    ways = [w for w in WAYS if w[0] == "tprof" or shutil.which(w[0].split()[0])]
    t = Table("completeness", "Complete user stacks", f"""
Share of on-CPU samples whose stack reaches a root: the entry point, or a function whose CFI says that nobody called
it (`_start`, the end of `clone3`), by address where there is no name (tests/bench/roots.py). Debian's packages as
shipped, under load, on loopback; {seconds} s at {HZ} Hz by each tool in turn over one running target (samples in
brackets). Of sshd only what runs under that name counts, not the shells. Not counted: samples of a process that has no
memory (in `exit` after it is given back, in `exec` before the new one is there), whose stack is the kernel's alone.""",
              ["target"] + [name for name, _ in ways])
    for what, program, start, least, _ in targets:
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin"):
            t.row(what, *["not installed" for _ in ways])
            continue
        r = Running(bench)
        counts = {}
        try:
            start(r)
            time.sleep(0.5)
            for name, way in ways:
                counts[name] = way(bench, r, seconds)
        except (OSError, subprocess.SubprocessError, RuntimeError) as e:
            t.row(what, f"failed: {e}", *["" for _ in ways[1:]])
            t.claim(Claim(f"complete stacks, {what}", "not measured", _at_least(least), False))
            continue
        finally:
            r.stop()
        own = counts["tprof"]
        t.row(what, *[counts[n] for n, _ in ways], raw={n: [c.whole, c.cut, c.without] for n, c in counts.items()},
              claim=Claim(f"complete stacks, {what}", f"{own.share():.1f} %", _at_least(least),
                          own.share() >= least, ", ".join(f"{n} {c.share():.0f} %" for n, c in counts.items()
                                                          if n != "tprof"),
                          readme=program in ("redis-server", "openssl", "java")))
    return t


def completeness(bench):
    """Stacks that reach a root."""
    return _complete(bench, programs.TARGETS)


def completeness_main(bench):
    """… of fewer programs."""
    return _complete(bench, [t for t in programs.TARGETS if t[4]])


def _futex_tprof(bench, pid, seconds, path):
    subprocess.run([bench.tprof, "record", "-q", "-p", str(pid), "-d", str(seconds), "--kind", "lock", "-o", path],
                   check=True, **QUIET)
    with open(path) as f:
        stacks = [line.rsplit(" ", 1) for line in f]
    stacks = [(s, int(n)) for s, n in stacks if s.startswith("waiter;")]
    whole = sum(n for _, n in stacks)
    complete = sum(n for s, n in stacks if NAMES.match(s.split(";")[1]))
    return 100 * complete / max(whole, 1), _with_function(stacks)


def _futex_perf(pid, seconds, path, how):
    subprocess.run(["perf", "record", "-q", "-e", "sched:sched_switch", "-p", str(pid), *how, "-o", path, "--", "sleep",
                    str(seconds)], **QUIET)
    text = subprocess.run(["perf", "script", "-i", path, "--no-inline", "-F", "comm,ip,sym,dso"], text=True,
                          errors="replace", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    stacks = [(b.strip(), 1) for b in text.split("\n\n") if b.strip().startswith("waiter") and "futex_wait" in b]
    complete = 0
    for block, _ in stacks:
        m = re.match(r"\s*([0-9a-f]+) (.*) \((.*)\)$", block.split("\n")[-1])
        complete += bool(m) and (bool(NAMES.match(m[2])) or is_root(m[3], int(m[1], 16)))
    return 100 * complete / max(len(stacks), 1), _with_function(stacks)


def _futex_bpftrace(pid, seconds):
    text = subprocess.run(["bpftrace", "-e", f'tracepoint:syscalls:sys_enter_futex /pid == {pid} && comm == "waiter" && '
                           '((args->op & 127) == 0 || (args->op & 127) == 9)/ { @[ustack(perf, 127)] = count(); } '
                           f'interval:s:{seconds} {{ exit(); }}'], text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout
    stacks = [(s, int(n)) for s, n in re.findall(r"@\[(.*?)\]: (\d+)", text, re.S)]
    maps, complete = Maps([pid]), 0
    for s, n in stacks:
        m = re.match(r"\s*([0-9a-f]+) (.*?)(\+\d+)? \(", s.strip().split("\n")[-1])
        complete += n * (bool(m) and (bool(NAMES.match(m[2])) or maps.is_root(int(m[1], 16))))
    return 100 * complete / max(sum(n for _, n in stacks), 1), _with_function(stacks)


def _with_function(stacks):
    """Of [(stack, n)]: percent with the locking function."""
    return 100 * sum(n for s, n in stacks if "take_ledger" in s) / max(sum(n for _, n in stacks), 1)


def futex(bench):
    """Who names the function that takes a lock."""
    seconds = bench.seconds(2, 1)
    t = Table("futex", "A futex wait of a program without frame pointers", f"""
tests/workloads/waits (-O2 -fomit-frame-pointer): a thread waits again and again for a mutex, in `take_ledger`,
through Debian's libc; {seconds} s by each tool in turn. tprof: lock waits, by their time; perf: `sched:sched_switch`
inside futex_wait; bpftrace: ustack at `sys_enter_futex`.""",
              ["profiler", "complete", "names take_ledger"])
    r = Running(bench)
    path, results = os.path.join(r.dir, "futex"), {}
    try:
        pid = r.start(os.path.join(bench.workloads, "waits"), "mutex", "1000000").pid
        time.sleep(0.3)
        results["tprof"] = _futex_tprof(bench, pid, seconds, path + ".folded")
        if shutil.which("perf"):
            results["perf -g"] = _futex_perf(pid, seconds, path, ["-g"])
            results["perf dwarf, 8 KB"] = _futex_perf(pid, seconds, path, ["--call-graph", "dwarf"])
        if shutil.which("bpftrace"):
            results["bpftrace ustack"] = _futex_bpftrace(pid, seconds)
    finally:
        r.stop()
    for name, (complete, named) in results.items():
        t.row(name, f"{complete:.1f} %", f"{named:.1f} %", raw=[complete, named])
    own = results["tprof"]
    t.claim(Claim("futex waits, complete and with the locking function", f"{min(own):.1f} %", "100 %", min(own) > 99.9,
                  ", ".join(f"{k} {min(v):.0f} %" for k, v in results.items() if k != "tprof"), readme=True))
    return t


def _run_ns(names):
    return sum(int(fdinfo(name)["run_time_ns"]) for name in names)


def _on_cpu(pid):
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e9


def _sample_ns(bench, program, depth, watch, settle):
    """ns of BPF for each sample of a program, one figure a window."""
    r = Running(bench)
    try:
        child = r.start("taskset", "-c", "1", program, "plain", str(depth))
        time.sleep(0.5)
        watcher = r.start(*watch(r, child.pid), target=False)
        time.sleep(settle)
        files = perf_event_programs(watcher.pid)
        values = []
        for _ in range(bench.rounds):
            ns, cpu = _run_ns(files), _on_cpu(child.pid)
            time.sleep(0.5)
            values.append((_run_ns(files) - ns) / ((_on_cpu(child.pid) - cpu) * 997))
        watcher.send_signal(signal.SIGINT)
        watcher.wait(10)
        return values
    finally:
        r.stop()


def cost(bench):
    """BPF time of a sample by depth, against the frame-pointer walk of bpf_get_stack."""
    t = Table("unwind_cost", "BPF time of a sample, by depth of the stack", f"""
Run time of the sampling program (kernel.bpf_stats_enabled) for a sample of a program without frame pointers (tprof,
by .eh_frame) and of the same program with them (bpftrace's ustack, by frame pointers: bpf_get_stackid), at 997 Hz on
one pinned CPU; {bench.rounds} windows of 0.5 s, median (lowest … highest). Samples of other tasks, which return at
once, are counted out (their time is not).""",
              ["depth", "tprof, .eh_frame, µs", "bpftrace, frame pointers, µs", "ratio"])
    source = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "workloads", "unw_depth.c")
    with_fp, without = os.path.join(bench.tmp, "unw_depth_fp"), os.path.join(bench.workloads, "unw_depth")
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls",
                    "-fno-ipa-icf", "-o", with_fp, source, "-lpthread"], check=True)

    def tprof(r, pid):
        return [bench.tprof, "record", "-q", "-p", str(pid), "-F", "997", "--no-waits", "-o", os.path.join(r.dir, "t.tprof")]

    def bpftrace(r, pid):
        return ["bpftrace", "-e", f"profile:hz:997 /pid == {pid}/ {{ @[ustack(perf, 127)] = count(); }}"]

    with bpf_stats():
        for depth in (10, 40, 120):
            own = [v / 1e3 for v in _sample_ns(bench, without, depth, tprof, 1.5)]
            fp = [v / 1e3 for v in _sample_ns(bench, with_fp, depth, bpftrace, 2)]
            mine, theirs = statistics.median(own), statistics.median(fp)
            t.row(depth, spread(own, "", 2), spread(fp, "", 2), f"{mine / theirs:.1f}", raw={"tprof": own, "fp": fp})
            limit, ok = "at most 3 times frame pointers", mine <= 3 * theirs
            if depth == 40:
                limit, ok = limit + ", under 10 µs", ok and mine < 10
            t.claim(Claim(f"BPF time of a sample {depth} frames deep", f"{mine:.1f} µs", limit, ok,
                          f"frame pointers {theirs:.1f} µs", readme=depth == 40))
    return t


def written(bench):
    """Bytes of a recording."""
    seconds = bench.seconds(10, 2)
    t = Table("written", f"What a recording takes on disk, {seconds} s at 999 Hz", f"""
One busy thread, 40 frames deep, without frame pointers; each tool records it for {seconds} s in turn. tprof with
everything that it records by default. Ctrl-C … is from the end of the recording to the recorder's exit.""",
              ["recorder", "bytes", "of them a sample", "complete stacks"])
    r = Running(bench)
    sizes = {}
    try:
        programs.known(40)(r)
        time.sleep(0.3)
        path = os.path.join(r.dir, "out")
        subprocess.run([bench.tprof, "record", "-q", "-p", str(r.pids[0]), "-F", "999", "-d", str(seconds),
                        "-o", path + ".tprof"], check=True)
        sizes["tprof"] = os.path.getsize(path + ".tprof")
        for name, how in (("perf -g", "fp"), ("perf dwarf, 8 KB", "dwarf"), ("perf dwarf, 64 KB", "dwarf,65528")):
            if shutil.which("perf"):
                subprocess.run(["perf", "record", "-q", "--call-graph", how, "-F", "999", "-p", str(r.pids[0]), "-o", path,
                                "--", "sleep", str(seconds)], **QUIET)
                sizes[name] = os.path.getsize(path)
    finally:
        r.stop()
    complete = {"tprof": "all", "perf -g": "none", "perf dwarf, 8 KB": "all", "perf dwarf, 64 KB": "all"}
    for name, size in sizes.items():
        t.row(name, f"{size:,}", f"{size / seconds / 999:,.0f}", complete[name], raw=size)
    dwarf = sizes.get("perf dwarf, 8 KB", 0)
    t.claim(Claim(f"bytes written, {seconds} s at 999 Hz", f"{sizes['tprof'] / 1e6:.2f} MB", "under 1/100 of perf dwarf",
                  sizes["tprof"] * 100 < dwarf, f"perf dwarf 8 KB {dwarf / 1e6:.0f} MB (1/{dwarf // sizes['tprof']})",
                  readme=True))
    return t


BENCHES = [completeness, futex, cost, written]
MAIN = [completeness_main, futex, cost, written]
