// SPDX-License-Identifier: BSD-2-Clause
// The data that html.c embeds, decoded into flat arrays. Knows nothing of the page.
//
// labels   text, module, type of everything that a frame can show, by label number
// tree     every stack of every kind, root first, as one prefix tree in preorder: parent < child
// rows     per profile and kind: (thread, window, node, weight)

const TYPE = { thread: 0, mark: 1, user: 2, kernel: 3, jit: 4, inline: 5, module: 6 };

// Unsigned numbers in base 64, five bits a character, low bits first, bit 5 = "more follows".
class NumberReader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  get more() {
    return this.at < this.text.length;
  }

  next() {
    let value = 0;
    let unit = 1;
    for (;;) {
      const digit = NumberReader.digits[this.text.charCodeAt(this.at++)];
      value += (digit & 31) * unit;
      if (digit < 32)
        return value;
      unit *= 32;
    }
  }
}
NumberReader.digits = (() => {
  const digits = new Uint8Array(128);
  const order = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  for (let i = 0; i < order.length; i++)
    digits[order.charCodeAt(i)] = i;
  return digits;
})();

function decodeTree(text) {
  const parent = [0];
  const label = [0];
  const path = [0];
  const reader = new NumberReader(text);
  while (reader.more) {
    const up = reader.next();
    path.length -= up;
    parent.push(path[path.length - 1]);
    label.push(reader.next());
    path.push(parent.length - 1);
  }
  return { parent: Int32Array.from(parent), label: Int32Array.from(label) };
}

// Groups of (thread, window): the thread's and window's step, how many, then (node step, weight).
function decodeRows(text) {
  const rows = { thread: [], window: [], node: [], weight: [] };
  const reader = new NumberReader(text);
  let thread = 0;
  let window = 0;
  while (reader.more) {
    const step = reader.next();
    thread += step;
    window = step ? reader.next() : window + reader.next();
    let node = 0;
    for (let n = reader.next(); n > 0; n--) {
      node += reader.next();
      rows.thread.push(thread);
      rows.window.push(window);
      rows.node.push(node);
      rows.weight.push(reader.next());
    }
  }
  return {
    thread: Int32Array.from(rows.thread),
    window: Int32Array.from(rows.window),
    node: Int32Array.from(rows.node),
    weight: Float64Array.from(rows.weight),
    length: rows.node.length,
  };
}

class Model {
  constructor(json) {
    this.title = json.title;
    this.version = json.version;
    this.kinds = json.kinds;
    this.kind = json.kind;
    this.group = json.group;
    this.strings = json.strings;
    this.labels = [];
    this.extra = new Map();
    this.decodeLabels(json.labels);
    this.tree = decodeTree(json.tree);
    this.profiles = json.profiles.map((p) => this.decodeProfile(p));
    this.diff = json.profiles.length > 1;
    // Findings are made of whole recordings: the parts of one have none of their own.
    this.whole = json.whole !== false;
    this.normalize = json.normalize || null;
  }

  decodeLabels(text) {
    const reader = new NumberReader(text);
    while (reader.more) {
      this.labels.push({
        text: this.strings[reader.next()],
        module: this.strings[reader.next()],
        type: reader.next(),
      });
    }
  }

  decodeProfile(p) {
    // more: how many threads of this name stand in this one entry, 0 = one
    const threads = p.threads.map(([comm, tid, pid, more]) => ({ comm, tid, pid, more }));
    const windows = [];
    for (let i = 0; i < p.windows.length; i += 2)
      windows.push({ start: p.windows[i] / 1000, end: p.windows[i + 1] / 1000 });
    return { ...p, threads, windows, rows: new Map() };
  }

  // Rows of one kind, decoded when first looked at.
  rows(side, kind) {
    const profile = this.profiles[side];
    if (!profile.rows.has(kind))
      profile.rows.set(kind, decodeRows(profile.kinds[kind] ? profile.kinds[kind].rows : ''));
    return profile.rows.get(kind);
  }

  // What makes a side comparable with side 0.
  scale(side, kind) {
    const k = this.profiles[side].kinds[kind];
    return (k && k.scale) || 1;
  }

  // Is a change from a to b (scaled weights of this kind) more than chance? Of a frame, or (with a
  // key: self, total) of a function. diff_rule.h says how that is told.
  certain(kind, a, b, label, key) {
    const rule = this.profiles[0].kinds[kind].rule;
    if (!rule.of) {
      rule.of = new Map();
      for (let i = 0; i < rule.own.length; i += 3)
        rule.of.set(rule.own[i], { self: rule.own[i + 1], total: rule.own[i + 2] });
    }
    const own = rule.of.get(label);
    const noise = !own ? rule.noise : key ? own[key] || rule.noise : Math.max(own.total, rule.noise);
    const error = Math.sqrt(noise * (a * rule.event[1] + b * rule.event[0]));
    return Math.abs(b - a) > Math.max(rule.errors * error, rule.least);
  }

  recorded(kind) {
    return this.profiles.some((p) => p.kinds[kind] && p.kinds[kind].rows.length > 0);
  }

  // A label that is no frame: a thread's name, a module, "all".
  label(text, type) {
    const key = `${type} ${text}`;
    let at = this.extra.get(key);
    if (at === undefined) {
      at = this.labels.length;
      this.labels.push({ text, module: '', type });
      this.extra.set(key, at);
    }
    return at;
  }

  // A short name for a label that means the same in every page: deep links are made of them.
  labelHash(l) {
    const { text, module, type } = this.labels[l];
    let h = 2166136261 ^ type;
    for (const c of `${text}\n${module}`)
      h = Math.imul(h ^ c.codePointAt(0), 16777619);
    return (h >>> 0).toString(36);
  }

  threadName(thread) {
    if (thread.more)
      return `${thread.comm} (${thread.more} threads)`;
    return `${thread.comm}-${thread.tid}`;
  }
}
