# SPDX-License-Identifier: BSD-2-Clause
"""Waits: what it costs programs that do nothing but switch, what the peers cost them, and the truth."""

import json
import os
import shutil
import statistics
import subprocess
import time

from harness import (CONTROL, Claim, Profiler, Table, Target, bpf_programs, bpf_stats, noise, perf_has_skeletons,
                     spread)

# Debian's libbpf-tools; Ubuntu's and bcc's own place
OFFCPUTIME = shutil.which("offcputime", path="/usr/sbin:/usr/share/bcc/libbpf-tools:" + os.environ["PATH"])

# program's mode, what it is, its CPU (None: all), the limit in percent (None: within the noise)
TARGETS = [("pipe", "pipe ping-pong", 1, 10), ("cond", "condvar ping-pong", 1, 15),
           ("mutex", "4 threads, one mutex", None, 5), ("create", "pthread create + join", 1, 3),
           (None, "system calls that never block", 1, None)]


def peers(bench):
    """Who watches the same: futex waits with stacks, off-CPU time, system calls."""
    futex = ("tracepoint:syscalls:sys_enter_futex /pid == %d/ { @start[tid] = nsecs; } "
             "tracepoint:syscalls:sys_exit_futex /@start[tid]/ "
             "{ @us[ustack] = sum(nsecs - @start[tid]); delete(@start[tid]); }")
    all_of_them = [
        bench.profilers[0],
        Profiler("bpftrace futex", lambda pid, hz, out: ["bpftrace", "-e", futex % pid, "-o", out], settle=1.5),
        Profiler("strace -c -f", lambda pid, hz, out: ["strace", "-c", "-f", "-o", out, "-p", str(pid)], settle=0.3)]
    if OFFCPUTIME:
        all_of_them.insert(2, Profiler("offcputime", lambda pid, hz, out: [OFFCPUTIME, "-p", str(pid), "60"], settle=1))
    if perf_has_skeletons():
        all_of_them.append(Profiler("perf --off-cpu", lambda pid, hz, out: [
            "perf", "record", "-q", "-g", "--off-cpu", "-p", str(pid), "-o", out], settle=1))
    return [p for p in all_of_them if p.available()]


def waits(bench):
    """Throughput lost by programs that do nothing but wait and wake."""
    profilers = peers(bench) + [CONTROL]
    t = Table("waits", "What recording waits costs", f"""
Throughput lost by a program while everything is recorded at 99 Hz: a window of 0.5 s under the profiler
against the windows without it right before and after, over one running target; profilers take turns;
{bench.rounds} rounds, median (lowest … highest). All targets but the mutex fight are pinned to CPU 1, the
profilers' user space to CPU 0. bpftrace: futex enter and exit with ustack; offcputime: of Debian's
libbpf-tools. "No worse" allows for the noise: how far the middle half of the control's windows lies apart;
a peer under which a program gets faster (threads that are held up fight less) counts as 0.
These programs do nothing but what is measured: a server that switches 5,000 times a second pays a hundredth of it.""",
              ["target"] + [p.name for p in profilers])
    for mode, what, cpu, limit in TARGETS:
        target = Target(bench, "bench_waits", mode, cpu=cpu) if mode else Target(bench, "bench_syscall", cpu=cpu)
        try:
            if mode:  # the time that its threads wait for a CPU is theirs: they share one
                target.waited = lambda: 0
            lost = bench.paired(target, 99, profilers)
        finally:
            target.stop()
        t.row(what, *[spread(lost[p.name], " %") for p in profilers], raw=lost,
              claim=_claim(what, lost, limit))
    return t


def _claim(what, lost, limit):
    own, floor = statistics.median(lost["tprof"]), noise(lost[CONTROL.name])
    others = {n: statistics.median(v) for n, v in lost.items() if n not in ("tprof", CONTROL.name)}
    most = floor if limit is None else limit
    text = f"within the noise ({floor:.1f} %)" if limit is None else f"at most {limit} %"
    return Claim(f"slowdown with waits, {what}", f"{own:.1f} %", text + ", no worse than the others",
                 own <= most and own <= max(min(others.values(), default=100), 0) + floor,
                 ", ".join(f"{n} {v:.0f} %" for n, v in others.items()), readme=True)


def _record(bench, *command):
    """(what the command printed, the report)"""
    path = os.path.join(bench.tmp, "truth.tprof")
    said = subprocess.run([bench.tprof, "record", "-q", "-o", path, "--", os.path.join(bench.workloads, command[0]),
                           *map(str, command[1:])], check=True, text=True, stdout=subprocess.PIPE).stdout
    report = subprocess.run([bench.tprof, "report", "--json", path], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    return said.split("\n"), json.loads(report)


def _share(rows, count, function):
    whole = sum(r[count] for r in rows)
    return 100 * sum(r[count] for r in rows if f";{function};" in r["stack"]) / whole if whole else 0


def truth(bench):
    """What a program that knows says, and what tprof says."""
    n, threads = bench.seconds(1500, 300), bench.seconds(10000, 2000)
    t = Table("truth", "Waits and threads against the truth", f"""
tests/workloads/waits knows its own waits by clock_gettime ({n:,} waits for a mutex, held 1 ms each) and how many
threads it created ({threads:,}, 5,000 a second). `make test` holds these to their limits each time. One run.""",
              ["what", "the program says", "tprof says", "error"])
    said, report = _record(bench, "waits", "mutex", n)
    fields = next(line.split() for line in said if line.startswith("waits "))
    truth_waits, truth_ms = int(fields[1]), int(fields[3]) / 1e6
    lock = [k for k in report["locks"] if k["type"] == "mutex"][0]
    own_ms = lock["wait_seconds"] * 1e3

    def row(what, truth, value, limit, unit=""):
        error = 100 * abs(value - truth) / truth
        t.row(what, f"{truth:,.0f}{unit}", f"{value:,.0f}{unit}", f"{error:.2f} %", raw=[truth, value],
              claim=Claim(f"{what}: error", f"{error:.2f} %", f"at most {limit} %" if limit else "exact",
                          error <= limit))

    row("waits for a mutex", truth_waits, lock["waits"], 1)
    row("time waited for a mutex", truth_ms, own_ms, 2, " ms")
    owner = next(x["tid"] for x in report["threads"] if x["comm"] == "waits")
    named = sum(o["waits"] for o in lock["owners"])
    shares = [("waits with the locking function in the stack", _share(lock["waiters"], "waits", "take_ledger"), 99),
              ("wakers in the unlocking function", _share(lock["wakers"], "count", "give_ledger"), 99),
              ("owner right, of the waits that name one",
               100 * sum(o["waits"] for o in lock["owners"] if o["tid"] == owner) / max(named, 1), 95)]
    for what, share, least in shares:
        t.row(what, "100 %", f"{share:.1f} %", "", raw=share,
              claim=Claim(what, f"{share:.1f} %", f"at least {least} %", share >= least))
    said, report = _record(bench, "waits", "churn", threads, 5000)
    created = next(int(line.split()[1]) for line in said if line.startswith("created "))
    row("threads created, 5,000 a second", created, report["thread_churn"]["created"], 0)
    return t


def _hooks_once(bench, target):
    """{program: (runs an operation, ns a run)} over a second, and {program: instructions verified}."""
    with bench.profilers[0].running(bench, target.pid, 99, cpu=0) as process:
        begin, operations = bpf_programs(process.pid), target.count()
        time.sleep(bench.seconds(1, 0.3))
        end, operations = bpf_programs(process.pid), target.count() - operations
    runs = {n: (end[n]["run_cnt"] - p["run_cnt"], end[n]["run_time_ns"] - p["run_time_ns"])
            for n, p in begin.items() if n in end}
    return ({n: (count / operations, ns / count) for n, (count, ns) in runs.items() if count > operations / 10000},
            {n: p.get("verified_insns", 0) for n, p in begin.items()})


def hooks(bench):
    """What the kernel spends in each program, and what it had to look at to load it."""
    t = Table("hooks", "BPF programs: ns a run, and instructions verified", f"""
kernel.bpf_stats_enabled, which itself adds some 20 ns to each run, while everything is recorded at 99 Hz; {bench.rounds}
windows of a second, median (lowest … highest); in brackets how often the program runs in one operation. Verified:
instructions that the verifier looked at (`verified_insns` of the program's fdinfo).""",
              ["program", "verified", *[what for mode, what, _, _ in TARGETS if mode]])
    seen, modes = {}, [(mode, cpu) for mode, _, cpu, _ in TARGETS if mode]
    with bpf_stats():
        for mode, cpu in modes:
            target = Target(bench, "bench_waits", mode, cpu=cpu)
            try:
                for _ in range(bench.rounds):
                    figures, verified = _hooks_once(bench, target)
                    for name, figure in figures.items():
                        seen.setdefault(name, {}).setdefault(mode, []).append(figure)
            finally:
                target.stop()
    for name in sorted(verified, key=verified.get, reverse=True):
        cells = [seen.get(name, {}).get(mode) for mode, _ in modes]
        t.row(name, f"{verified[name]:,}",
              *[f"{spread([ns for _, ns in c], '', 0)} [{statistics.median(n for n, _ in c):.2g}]" if c else ""
                for c in cells], raw=seen.get(name))
    t.row("all", f"{sum(verified.values()):,}", *["" for _ in modes], raw=verified)
    return t


BENCHES = [waits, hooks, truth]
MAIN = [waits]
