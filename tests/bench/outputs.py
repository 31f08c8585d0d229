# SPDX-License-Identifier: BSD-2-Clause
"""How fast recordings become files, and how fast the flame graph page is in a browser."""

import glob
import json
import os
import shutil
import statistics
import subprocess
import tarfile
import time

from harness import SPEEDSCOPE, Claim, Table, spread

FORMATS = ["folded", "html", "svg", "pprof", "speedscope", "firefox", "json"]
FLAMEGRAPH = "1.3.0"
HERE = os.path.dirname(os.path.realpath(__file__))
BROWSER = os.path.join(os.path.dirname(HERE), "browser")


def _recording(bench, frames):
    """A call tree of at least so many frames (tests/browser/many.js), as .tprof, .html and .folded."""
    base = os.path.join(bench.tmp, f"many-{frames}")
    if not os.path.exists(base + ".tprof"):
        spec = subprocess.run(["node", os.path.join(BROWSER, "many.js"), str(frames)],
                              stdout=subprocess.PIPE, check=True).stdout
        mkprofile = os.path.join(bench.build, "tests/browser/mkprofile")
        subprocess.run([mkprofile, base + ".tprof", base + ".html", base + ".folded"], input=spec, check=True)
    return base


def convert(bench):
    """From a recording of 100,000 stacks to each format."""
    base = _recording(bench, 1_250_000)
    with open(base + ".folded") as f:
        stacks = sum(1 for _ in f)
    t = Table("convert", f"From a recording of {stacks:,} stacks to a file", f"""
`tprof export FILE -f FORMAT -o OUT` of a generated recording, wall time of the whole command; formats take turns,
{bench.rounds} rounds, median (lowest … highest).""",
              ["format", "ms", "MB"])
    out = os.path.join(bench.tmp, "converted")
    took, size = {name: [] for name in FORMATS}, {}
    for _ in range(bench.rounds):
        for name in FORMATS:
            start = time.monotonic()
            subprocess.run([bench.tprof, "export", base + ".tprof", "-f", name, "-o", out], check=True)
            took[name].append((time.monotonic() - start) * 1000)
            size[name] = os.path.getsize(out)
    for name, values in took.items():
        mid = statistics.median(values)
        t.row(name, spread(values, "", 0), f"{size[name] / 1e6:.1f}", raw=values,
              claim=Claim(f"{stacks:,} stacks to {name}", f"{mid:.0f} ms", "under 1 s", mid < 1000))
    slowest = max(took, key=lambda n: statistics.median(took[n]))
    mid = statistics.median(took[slowest])
    t.claim(Claim(f"{stacks:,} stacks to the slowest format ({slowest})", f"{mid:.0f} ms", "under 1 s", mid < 1000, readme=True))
    return t


def _speedscope(bench):
    """The npm package, unpacked; None where the registry is not to be had."""
    dir = os.path.join(bench.cache, f"speedscope-{SPEEDSCOPE}")
    if not os.path.isdir(dir) and shutil.which("npm"):
        got = subprocess.run(["npm", "pack", "--silent", f"speedscope@{SPEEDSCOPE}"], cwd=bench.tmp,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=90)
        for file in glob.glob(os.path.join(bench.tmp, "speedscope-*.tgz")) if got.returncode == 0 else []:
            with tarfile.open(file) as archive:
                archive.extractall(dir, filter="data")
    return os.path.join(dir, "package") if os.path.isdir(dir) else None


def _flamegraph_svg(bench, base):
    """FlameGraph's SVG of the same data with all its frames, by its port in npm; None where that is not to be had."""
    dir = os.path.join(bench.cache, f"flamegraph-{FLAMEGRAPH}")
    if not os.path.isdir(dir) and shutil.which("npm"):
        os.makedirs(dir + ".new", exist_ok=True)
        got = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", dir + ".new",
                              f"flamegraph@{FLAMEGRAPH}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=90)
        if got.returncode == 0:
            os.rename(dir + ".new", dir)
    if not os.path.isdir(dir):
        return None
    # it reads what perf script writes
    with open(base + ".folded") as folded, open(base + ".perf", "w") as perf:
        for line in folded:
            stack, n = line.rsplit(" ", 1)
            comm, *frames = stack.split(";")
            block = [f"{comm} 100 [000] 1.000000: cycles: "] + [f"\t 401000 {f} (lib.so)" for f in reversed(frames)]
            perf.write(("\n".join(block) + "\n\n") * int(n))
    with open(base + ".flamegraph.svg", "wb") as f:
        subprocess.run(["node", os.path.join(dir, "node_modules/flamegraph/bin/flamegraph.js"), "-t", "perf", "--minwidth",
                        "0", "-f", base + ".perf"], stdout=f, check=True)
    return f.name


def _peer(runs, *what):
    """ms, or None when it takes longer than 30 s."""
    got = subprocess.run(["node", os.path.join(HERE, "peer_pages.js"), str(runs), *what], text=True, stdout=subprocess.PIPE)
    return json.loads(got.stdout)[what[0]] if got.returncode == 0 else None


def page(bench):
    """The interactive page of 100,000 frames in headless Chromium."""
    runs = bench.rounds
    t = Table("page", "The flame graph page, 100,000 frames", f"""
Headless Chromium without a GPU, medians of {runs} pages (tests/browser/speed.js, tests/bench/peer_pages.js). shown: from
the navigation to the first drawn graph. zoom, search, regroup: from the action until the graph is drawn anew.
FlameGraph's SVG of the same data is made by npm's port (flamegraph {FLAMEGRAPH}) with all frames, as tprof's page has
them all; FlameGraph leaves out those narrower than 0.1 pixel unless told. speedscope opens tprof's export as its own
command does.""",
              ["what", "tprof's page", "FlameGraph's SVG", f"speedscope {SPEEDSCOPE}"])
    if not shutil.which("chromium") or not shutil.which("node"):
        t.row("no chromium, or no node", "", "", "")
        return t
    base = _recording(bench, 100_000)
    own = json.loads(subprocess.run(["node", os.path.join(BROWSER, "speed.js"), base + ".html", str(runs)],
                                    stdout=subprocess.PIPE, check=True).stdout)
    speedscope, svg = _speedscope(bench), _flamegraph_svg(bench, base)
    subprocess.run([bench.tprof, "export", base + ".tprof", "-f", "speedscope", "-o", base + ".speedscope.json"], check=True)
    peers = {}
    if speedscope:
        peers["speedscope"] = _peer(runs, "speedscope", speedscope, base + ".speedscope.json")
    if svg:
        peers["svg"] = _peer(min(runs, 3), "svg", svg)

    def ms(value):
        return f"{value:,.0f} ms" if value is not None else "over 30 s"

    def peer(name):
        return ms(peers[name]) if name in peers else "not to be had"

    frames = own.pop("frames")
    t.row("frames", f"{frames:,.0f}", "", "", raw=frames)
    t.row("shown", ms(own["shown"]), peer("svg"), peer("speedscope"), raw=[own, peers])
    t.row("zoom", ms(own["zoom"]), "", "")
    t.row("search", ms(own["search"]), "", "")
    t.row("regroup", ms(own["regroup"]), "", "")
    sizes = [os.path.getsize(f) for f in (base + ".html", base + ".folded", base + ".speedscope.json")]
    t.row("size, of the folded text's", f"{sizes[0] / sizes[1]:.2f}",
          f"{os.path.getsize(svg) / sizes[1]:.2f}" if svg else "", f"{sizes[2] / sizes[1]:.2f}", raw=sizes)
    others = [f"FlameGraph's SVG {ms(peers['svg'])}"] if "svg" in peers else []
    others += [f"speedscope {ms(peers['speedscope'])}"] if "speedscope" in peers else []
    t.claim(Claim(f"flame graph of {frames:,.0f} frames: until shown", ms(own["shown"]), "under 1 s", own["shown"] < 1000,
                  ", ".join(others), readme=True))
    t.claim(Claim("… zoom", ms(own["zoom"]), "under 17 ms (a frame at 60 Hz)", own["zoom"] < 17, readme=True))
    t.claim(Claim("… size of the page, of the folded text", f"{sizes[0] / sizes[1]:.2f}", "at most 3",
                  sizes[0] <= 3 * sizes[1]))
    return t


BENCHES = [convert, page]
MAIN = BENCHES
