# SPDX-License-Identifier: BSD-2-Clause
"""Where stacks may end, by the files' own CFI: the same question for all profilers, names or not.

An address is a root's when it lies in the entry point, or in a function whose CFI says that its return
address is undefined (_start, the end of clone3)."""

import functools
import os
import re
import struct
import subprocess

NAMES = re.compile(r"^(_start|(__|__GI___)?clone3?|_dl_start_user)(@.*)?$")
ENTRY_SIZE = 0x40
FILE_MAX = 6 << 20  # roots are in libc and ld.so; readelf takes minutes for libjvm and mariadbd


@functools.lru_cache(None)
def ranges(path):
    """[(begin, end)] of the roots in a file, as virtual addresses and as file offsets."""
    try:
        with open(path, "rb") as f:
            head = f.read(64)
            if head[:5] != b"\x7fELF\x02":
                return []
            entry, phoff = struct.unpack_from("<QQ", head, 24)
            size, count = struct.unpack_from("<HH", head, 54)
            f.seek(phoff)
            headers = f.read(size * count)
    except OSError:
        return []
    found = _undefined(path) + ([(entry, entry + ENTRY_SIZE)] if entry else [])
    for i in range(count):
        kind, flags, offset, vaddr, _, filesz = struct.unpack_from("<IIQQQQ", headers, i * size)
        if kind == 1 and flags & 1 and offset != vaddr:
            found += [(b - vaddr + offset, e - vaddr + offset) for b, e in found if vaddr <= b < vaddr + filesz]
    return found


def _undefined(path):
    if os.path.getsize(path) > FILE_MAX:
        return []
    text = subprocess.run(["readelf", "--debug-dump=frames-interp", path], text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    found, last = [], None
    for line in text.split("\n"):
        m = re.search(r" FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)", line)
        if m:
            last = (int(m[1], 16), int(m[2], 16))
        elif last and re.match(r"^[0-9a-f]{16} .*\bu\s*$", line):
            found.append(last)
            last = None
    return found


def is_root(path, address):
    # a return address may be that behind the function's last call
    return any(begin <= address <= end for begin, end in ranges(path))


class Maps:
    """Executable mappings of running processes: from raw addresses to (path, file offset)."""

    def __init__(self, pids, root=""):
        self.list, self.root = [], root
        for pid in pids:
            try:
                with open(f"/proc/{pid}/maps") as f:
                    for line in f:
                        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) ..x. ([0-9a-f]+) \S+ \S+\s+(/.*)", line)
                        if m:
                            self.list.append((int(m[1], 16), int(m[2], 16), int(m[3], 16), m[4]))
            except OSError:
                pass
        self.by_name = {os.path.basename(p): p for _, _, _, p in self.list}

    def is_root(self, address):
        for begin, end, offset, path in self.list:
            if begin <= address < end:
                return is_root(path if os.path.exists(path) else self.root + path, address - begin + offset)
        return False

    def page_is_root(self, address):
        """For processes that are gone: whether a root lies at the same place in its page."""
        return any(begin & 0xfff <= address & 0xfff <= (begin & 0xfff) + end - begin
                   for _, _, _, path in self.list for begin, end in ranges(path))
