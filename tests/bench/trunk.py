# SPDX-License-Identifier: BSD-2-Clause
"""The trunk: what sampling costs the target and the host, and how fast its ends are."""

import contextlib
import os
import resource
import signal
import statistics
import subprocess
import time

from harness import CONTROL, NICE, Claim, Table, Target, bpf_stats, fdinfo, fdinfos, median, noise, spread


def slowdown(bench):
    """Slowdown of a CPU-bound and a system-call-bound target."""
    profilers = [p for p in bench.profilers if p.available()] + [CONTROL]
    t = Table("slowdown", "Slowdown of the target", f"""
Throughput lost while recorded: a window of 0.5 s under the profiler against the windows without it
right before and after, over one running target pinned to CPU 1 (the profilers' user space to CPU 0);
time for which other processes had that CPU is taken out; profilers take turns; {bench.rounds} rounds, median
(lowest … highest). tprof records everything that it does by default, the others on-CPU stacks. "No worse"
allows for the noise: how far the middle half of the control's windows lies apart.""",
              ["target", "Hz"] + [p.name for p in profilers])
    for workload, what in (("bench_cpu", "CPU-bound"), ("bench_syscall", "system calls (getppid)")):
        target = Target(bench, workload, cpu=1)
        try:
            for hz in (99, 999):
                lost = bench.paired(target, hz, profilers)
                own = statistics.median(lost["tprof"])
                floor = noise(lost[CONTROL.name])
                others = {n: statistics.median(v) for n, v in lost.items() if n not in ("tprof", CONTROL.name)}
                claim = Claim(f"slowdown at {hz} Hz, {what}", f"{own:.1f} %",
                              f"no worse than the others (noise {floor:.1f})",
                              own <= min(others.values(), default=0) + floor,
                              ", ".join(f"{n} {v:.1f} %" for n, v in others.items()), readme=hz == 999)
                t.row(what, hz, *[spread(lost[p.name], " %") for p in profilers], raw=lost, claim=claim)
        finally:
            target.stop()
    return t


def _smaps(pid, *fields):
    """kB of these fields, over all mappings but those of BPF maps."""
    total, mapping = 0, ""
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            words = line.split()
            if not words[0].endswith(":"):
                mapping = words[-1]
            elif words[0] in fields and "bpf-map" not in mapping:
                total += int(words[1])
    return total


def _memory(pid):
    """(resident, BPF) bytes of a process, its maps and programs. Maps that it has mapped are BPF's, and
    not counted twice; of its children what is theirs alone."""
    bpf, seen = 0, set()
    resident = _smaps(pid, "Rss:")
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        children = f.read().split()
    for child in children:
        resident += _smaps(child, "Private_Clean:", "Private_Dirty:")
    for _, fields in fdinfos(pid):
        key = ("map", fields["map_id"]) if "map_id" in fields else ("prog", fields.get("prog_id"))
        if "memlock" in fields and key not in seen:
            seen.add(key)
            bpf += int(fields["memlock"])
    return resident * 1024, bpf


def footprint(bench):
    """What a 10 s record at 99 Hz takes of the host."""
    seconds = bench.seconds(10, 3)
    t = Table("footprint", f"Own CPU and memory, {seconds} s at 99 Hz", f"""
`tprof record -p PID -d {seconds}` of one busy thread (tests/workloads/bench_cpu) and of the demo (two busy
threads, a contended lock, 200 threads a second, 4,000 switches a second). CPU: getrusage of tprof from exec to
exit, so that loading the programs, names and writing are in it. The BPF programs' own run time
(kernel.bpf_stats_enabled, in a run of its own) is apart, as the kernel books it to the target. Memory: the
highest resident set and what the kernel says that its BPF maps and programs hold, looked at 50 times a second in that
run; maps that tprof has mapped count once. {bench.rounds} runs of the demo, 3 of the other, median (lowest … highest).""",
              ["target", "CPU, of one CPU", "… in user space", "… in the kernel", "BPF programs", "resident, MiB",
               "BPF maps and programs, MiB", "together, MiB"])
    for workload, what in (("bench_cpu", "one busy thread"), ("demo", "the demo")):
        if workload == "demo":
            target = subprocess.Popen([os.path.join(bench.workloads, "demo")], stdout=subprocess.DEVNULL)
        else:
            target = Target(bench, workload)
        try:
            time.sleep(0.5)
            rounds = bench.rounds if workload == "demo" else min(bench.rounds, 3)
            cpu = [_own_cpu(bench, target.pid, seconds) for _ in range(rounds)]
            with bpf_stats():
                watched = _watched(bench, target.pid, seconds)
        finally:
            if workload == "demo":
                target.kill()
                target.wait()
            else:
                target.stop()
        both = [sum(c) for c in cpu]
        memory = watched["resident"] + watched["maps"]
        t.row(what, spread(both, " %", 2), median([c[0] for c in cpu], " %", 2), median([c[1] for c in cpu], " %", 2),
              f"{watched['bpf']:.2f} %", f"{watched['resident']:.1f}", f"{watched['maps']:.1f}", f"{memory:.1f}",
              raw={"user, system": cpu, **watched})
        t.claim(Claim(f"own CPU, {seconds} s at 99 Hz, {what}", median(both, " % of one CPU", 2), "under 1 %",
                      statistics.median(both) < 1, readme=True))
        t.claim(Claim(f"peak memory with BPF maps, {what}", f"{memory:.1f} MiB", "under 32 MiB", memory < 32,
                      readme=workload == "demo"))
    return t


def _record_for(bench, pid, seconds):
    return subprocess.Popen([*NICE, bench.tprof, "record", "-q", "-p", str(pid), "-d", str(seconds),
                             "-o", os.path.join(bench.tmp, "footprint.tprof")])


def _own_cpu(bench, pid, seconds):
    """One recording: percent of a CPU in user space and in the kernel."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if _record_for(bench, pid, seconds).wait() != 0:
        raise RuntimeError("tprof record failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [(after.ru_utime - before.ru_utime) * 100 / seconds, (after.ru_stime - before.ru_stime) * 100 / seconds]


def _watched(bench, pid, seconds):
    """One recording, looked at 50 times a second: peaks in MiB, percent of a CPU in its BPF programs."""
    p = _record_for(bench, pid, seconds)
    seen = {"resident": 0, "maps": 0, "bpf": 0}
    while p.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            resident, maps = _memory(p.pid)
            seen["resident"] = max(seen["resident"], resident / 2**20)
            seen["maps"] = max(seen["maps"], maps / 2**20)
            seen["bpf"] = max(seen["bpf"], _bpf_run_ns(p.pid) / 1e7 / seconds)
        time.sleep(0.02)
    return seen


def _bpf_run_ns(pid):
    total, seen = 0, set()
    for _, fields in fdinfos(pid):
        key = fields.get("prog_id")
        if key and key not in seen and "run_time_ns" in fields:
            seen.add(key)
            total += int(fields["run_time_ns"])
    return total


def start(bench):
    """exec to first sample."""
    t = Table("start", "From exec to the first sample", f"""
A busy target at 999 Hz (so that a sample is never more than 1 ms away). tprof: its own BPF program's
first run, seen from outside by polling the program's run count in /proc/PID/fdinfo;
perf: time of the first sample by `perf script`; bpftrace: `nsecs` of the first probe. In turns, {bench.rounds} runs.""",
              ["profiler", "ms, median (lowest … highest)"])
    target = Target(bench, "bench_cpu", cpu=1)
    results = {"tprof": []}
    try:
        for _ in range(bench.rounds):
            with bpf_stats():
                results["tprof"].append(_first_run(bench, target.pid))
            if bench.profilers[1].available():
                results.setdefault("perf record -g", []).append(_first_perf(bench, target.pid))
            if bench.profilers[2].available():
                results.setdefault("bpftrace", []).append(_first_bpftrace(target.pid))
    finally:
        target.stop()
    others = {n: statistics.median(v) for n, v in results.items() if n != "tprof"}
    own = statistics.median(results["tprof"])
    for name, values in results.items():
        t.row(name, spread(values, "", 0), raw=values)
    t.claim(Claim("exec to first sample", f"{own:.0f} ms", "under 100 ms", own < 100,
                  ", ".join(f"{n} {v:.0f} ms" for n, v in others.items()), readme=True))
    return t


def _first_run(bench, pid):
    begin = time.monotonic()
    p = subprocess.Popen([*NICE, bench.tprof, "record", "-q", "-p", str(pid), "-F", "999",
                          "-o", os.path.join(bench.tmp, "start.tprof")])
    samplers = []
    try:
        while time.monotonic() - begin < 10:
            if not samplers:
                samplers = perf_event_programs(p.pid)
            for name in samplers:
                fields = fdinfo(name)
                if not fields:
                    samplers = []
                    break
                if int(fields.get("run_cnt", "0")) > 0:
                    return (time.monotonic() - begin) * 1e3
            time.sleep(0.0005)
        raise RuntimeError("tprof: no sample within 10 s")
    finally:
        p.send_signal(signal.SIGINT)
        p.wait()


BPF_PROG_TYPE_PERF_EVENT = 7


def perf_event_programs(pid):
    return [path for path, fields in fdinfos(pid)
            if int(fields.get("prog_type", "0")) == BPF_PROG_TYPE_PERF_EVENT and "run_cnt" in fields]


def _first_perf(bench, pid):
    out = os.path.join(bench.tmp, "start.perf")
    begin = time.monotonic()
    subprocess.run([*NICE, "perf", "record", "-q", "-g", "-F", "999", "-k", "CLOCK_MONOTONIC", "-p", str(pid),
                    "-o", out, "--", "sleep", "0.2"], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    script = subprocess.run(["perf", "script", "-i", out, "-F", "time", "--ns", "-G"], text=True, check=True,
                            capture_output=True).stdout
    return (float(script.split(":", 1)[0]) - begin) * 1e3


def _first_bpftrace(pid):
    begin = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    out = subprocess.run([*NICE, "bpftrace", "-e", f'profile:hz:999 /pid == {pid}/ {{ printf("%llu\\n", nsecs); exit(); }}'],
                         text=True, capture_output=True, check=True).stdout
    return (int(out.split("\n")[1]) - begin) / 1e6


def _walk(target, paths):
    end, deadline = target.count() + paths, time.monotonic() + 40
    while target.count() < end and time.monotonic() < deadline:
        time.sleep(0.05)


def _stopped(command, target, paths):
    """Runs a recorder while the target walks so many paths; ms from SIGINT to its exit."""
    p = subprocess.Popen([*NICE, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _walk(target, paths)
    begin = time.monotonic()
    p.send_signal(signal.SIGINT)
    if p.wait() not in (0, -signal.SIGINT):
        raise RuntimeError(f"{command[0]} failed: exit {p.returncode}")
    return (time.monotonic() - begin) * 1e3


def perf_folded(data, folded, limit=120):
    """perf script | stackcollapse.pl: ms."""
    collapse = os.path.join(os.path.dirname(os.path.realpath(__file__)), "stackcollapse.pl")
    begin = time.monotonic()
    subprocess.run(["sh", "-c", 'nice -n -20 perf script --no-inline -i "$1" | nice -n -20 perl "$2" >"$3"', "sh",
                    data, collapse, folded], check=True, stderr=subprocess.DEVNULL, timeout=limit)
    return (time.monotonic() - begin) * 1e3


def lines_of(path):
    with open(path) as f:
        return sum(1 for _ in f)


def stop(bench):
    """Ctrl-C to a folded file of more than 10,000 distinct stacks."""
    paths = 20000
    t = Table("stop", "From Ctrl-C to folded stacks", f"""
tests/workloads/bench_stacks walks 16,384 distinct paths of 14 calls, 0.3 ms each, sampled at 4,999 Hz
for {paths:,} paths. tprof: `record -o x.folded`, SIGINT to exit. perf: SIGINT to the exit of `perf record -g`, then
`perf script --no-inline | stackcollapse.pl` (tests/bench, a short equivalent of FlameGraph's). In turns,
{bench.rounds} runs.""",
              ["profiler", "distinct stacks", "ms, median (lowest … highest)"])
    target = Target(bench, "bench_stacks")
    folded, data = os.path.join(bench.tmp, "stop.folded"), os.path.join(bench.tmp, "stop.perf")
    names = ["tprof", "perf record -g: stop", "… then perf script, stackcollapse"]
    results, stacks = {n: [] for n in names}, {}
    try:
        for _ in range(bench.rounds):
            results[names[0]].append(_stopped(
                [bench.tprof, "record", "-q", "-F", "4999", "-p", str(target.pid), "-o", folded], target, paths))
            stacks[names[0]] = lines_of(folded)
            if bench.profilers[1].available():
                results[names[1]].append(_stopped(
                    ["perf", "record", "-q", "-g", "-F", "4999", "-p", str(target.pid), "-o", data], target, paths))
                results[names[2]].append(perf_folded(data, folded))
                stacks[names[2]] = lines_of(folded)
    finally:
        target.stop()
    for name, values in results.items():
        if values:
            t.row(name, f"{stacks[name]:,}" if name in stacks else "", spread(values, "", 0), raw=values)
    own = statistics.median(results[names[0]])
    perf = statistics.median([a + b for a, b in zip(results[names[1]], results[names[2]])] or [0])
    t.claim(Claim(f"Ctrl-C to folded, {stacks[names[0]]:,} stacks", f"{own:.0f} ms", "under 200 ms", own < 200,
                  f"perf record, script and collapse {perf:.0f} ms", readme=True))
    t.claim(Claim("… times faster than perf", f"{perf / own:.1f}", "at least 10", perf / own >= 10))
    return t


BENCHES = [slowdown, footprint, start, stop]
MAIN = BENCHES
