// SPDX-License-Identifier: BSD-2-Clause
// Call trees as they are shown: built from rows, or from another tree (callers, callees).
//
// A finished tree is a set of parallel arrays in preorder. Node i's descendants are i+1 … end[i]-1,
// so drawing and searching are single loops that jump over what is too narrow or out of sight.
// Weights stand once per side: 0 is what is shown, 1 (in a comparison) what it is compared with.

class TreeBuilder {
  constructor(labelCount, sides, rootLabel) {
    this.stride = labelCount;
    this.sides = sides;
    this.label = [rootLabel];
    this.parent = [-1];
    this.first = [-1];
    this.next = [-1];
    this.self = Array.from({ length: sides }, () => [0]);
    this.index = new Map();
  }

  child(parent, label) {
    const key = parent * this.stride + label;
    let node = this.index.get(key);
    if (node === undefined) {
      node = this.label.length;
      this.index.set(key, node);
      this.label.push(label);
      this.parent.push(parent);
      this.first.push(-1);
      this.next.push(this.first[parent]);
      this.first[parent] = node;
      for (const self of this.self)
        self.push(0);
    }
    return node;
  }

  add(node, side, weight) {
    this.self[side][node] += weight;
  }

  // order: 'name' or 'weight'
  finish(labels, order) {
    const n = this.label.length;
    const total = this.self.map((self) => Float64Array.from(self));
    for (const t of total) {
      for (let i = n - 1; i > 0; i--)
        t[this.parent[i]] += t[i];
    }
    const tree = new Tree(n, this.sides);
    tree.fill(this, total, childOrder(labels, this.label, total, order));
    return tree;
  }
}

function childOrder(labels, label, total, order) {
  const byName = (a, b) => {
    const x = labels[label[a]].text;
    const y = labels[label[b]].text;
    return x < y ? -1 : x > y ? 1 : a - b;
  };
  if (order === 'name')
    return byName;
  const sum = total.length > 1 ? (i) => total[0][i] + total[1][i] : (i) => total[0][i];
  return (a, b) => sum(b) - sum(a) || byName(a, b);
}

class Tree {
  constructor(n, sides) {
    this.count = n;
    this.sides = sides;
    this.label = new Int32Array(n);
    this.parent = new Int32Array(n);
    this.depth = new Int32Array(n);
    this.end = new Int32Array(n);
    this.self = Array.from({ length: sides }, () => new Float64Array(n));
    this.total = Array.from({ length: sides }, () => new Float64Array(n));
    this.x = new Float64Array(n);
    this.width = this.total[0];
    this.maxDepth = 0;
  }

  fill(from, total, order) {
    const at = new Int32Array(this.count); // builder's number → preorder
    const todo = [0];
    const kids = [];
    for (let i = 0; todo.length; i++) {
      const node = todo.pop();
      at[node] = i;
      this.label[i] = from.label[node];
      this.parent[i] = node ? at[from.parent[node]] : -1;
      this.depth[i] = node ? this.depth[this.parent[i]] + 1 : 0;
      this.maxDepth = Math.max(this.maxDepth, this.depth[i]);
      for (let s = 0; s < this.sides; s++) {
        this.self[s][i] = from.self[s][node];
        this.total[s][i] = total[s][node];
      }
      kids.length = 0;
      for (let c = from.first[node]; c >= 0; c = from.next[c])
        kids.push(c);
      if (kids.length > 1)
        kids.sort(order);
      for (let k = kids.length - 1; k >= 0; k--)
        todo.push(kids[k]);
    }
    this.end.fill(this.count);
    const open = [];
    for (let i = 0; i < this.count; i++) {
      while (open.length && this.depth[open[open.length - 1]] >= this.depth[i])
        this.end[open.pop()] = i;
      open.push(i);
    }
    this.layout(this.total[0]);
  }

  // As wide as the larger of both sides, so that what is gone can be seen beside what is new.
  unionWidth() {
    const width = new Float64Array(this.count);
    for (let i = this.count - 1; i >= 0; i--) {
      width[i] += Math.max(this.self[0][i], this.self[1][i]);
      if (i)
        width[this.parent[i]] += width[i];
    }
    return width;
  }

  // Places every node: at x, width wide.
  layout(width) {
    const filled = new Float64Array(this.count);
    this.width = width;
    this.x[0] = 0;
    for (let i = 1; i < this.count; i++) {
      const p = this.parent[i];
      this.x[i] = this.x[p] + filled[p];
      filled[p] += width[i];
    }
  }

  path(node) {
    const path = [];
    for (let i = node; i >= 0; i = this.parent[i])
      path.push(i);
    return path.reverse();
  }

  child(node, label) {
    for (let c = node + 1; c < this.end[node]; c = this.end[c]) {
      if (this.label[c] === label)
        return c;
    }
    return -1;
  }

  labelPath(node) {
    return this.path(node).slice(1).map((i) => this.label[i]);
  }

  // As far as this path of labels goes, from a node on.
  find(labels, from = 0) {
    let node = from;
    for (const label of labels) {
      const next = this.child(node, label);
      if (next < 0)
        return node;
      node = next;
    }
    return node;
  }
}

// What a frame becomes under the chosen simplifications: another label, or −1 = left out.
function labelMapper(model, options) {
  const kernel = options.hideKernel;
  if (!options.byModule)
    return (l) => (kernel && model.labels[l].type === TYPE.kernel ? -1 : l);
  const cache = new Map();
  return (l) => {
    let to = cache.get(l);
    if (to === undefined) {
      const { type, module } = model.labels[l];
      if (kernel && type === TYPE.kernel)
        to = -1;
      else if (type === TYPE.thread || type === TYPE.mark)
        to = l;
      else
        to = model.moduleLabel(module || '[unknown]', type);
      cache.set(l, to);
    }
    return to;
  };
}

// The module's own label keeps the colour of what lies in it.
Model.prototype.moduleLabel = function moduleLabel(module, type) {
  const base = module.slice(module.lastIndexOf('/') + 1) || module;
  const key = `module ${type === TYPE.inline ? TYPE.user : type} ${module}`;
  let at = this.extra.get(key);
  if (at === undefined) {
    at = this.labels.length;
    this.labels.push({ text: base, module, type: type === TYPE.inline ? TYPE.user : type });
    this.extra.set(key, at);
  }
  return at;
};

// The label of a row's thread: null = no level for threads.
function threadLabels(model, side, group) {
  const profile = model.profiles[side];
  if (group === 'none')
    return null;
  const name = {
    pool: (t) => t.comm.replace(/(?<=\D)\d+/g, '*'),
    name: (t) => t.comm,
    thread: (t) => model.threadName(t),
  }[group];
  return profile.threads.map((t) => model.label(name(t), TYPE.thread));
}

class TreeMaker {
  constructor(model, options) {
    this.model = model;
    this.options = options;
    this.threadLabels = model.profiles.map((_, side) => threadLabels(model, side, options.group));
    this.map = labelMapper(model, options);
    this.root = model.label('all', TYPE.thread);
    if (options.byModule) {
      for (let l = 0, n = model.labels.length; l < n; l++)
        this.map(l);
    }
    this.merge = options.foldRecursion || options.byModule;
    this.builder = new TreeBuilder(model.labels.length, model.profiles.length, this.root);
    this.known = new Int32Array(model.tree.parent.length);
    this.stamp = new Int32Array(model.tree.parent.length);
    this.stampOf = new Map();
    this.path = [];
  }

  // The shown node of a stack under the node of its thread.
  place(top, stamp, node) {
    const { parent, label } = this.model.tree;
    const path = this.path;
    let n = node;
    path.length = 0;
    for (; n > 0 && this.stamp[n] !== stamp; n = parent[n])
      path.push(n);
    let at = n > 0 ? this.known[n] : top;
    for (let i = path.length - 1; i >= 0; i--) {
      const to = this.map(label[path[i]]);
      if (to >= 0 && !(this.merge && this.builder.label[at] === to))
        at = this.builder.child(at, to);
      this.known[path[i]] = at;
      this.stamp[path[i]] = stamp;
    }
    return at;
  }

  addSide(side, accept, part) {
    const rows = this.model.rows(side, this.options.kind);
    const labels = this.threadLabels[side];
    const scale = this.model.scale(side, this.options.kind) * part;
    for (let i = 0; i < rows.length; i++) {
      if (!accept(side, rows.thread[i], rows.window[i]))
        continue;
      const top = labels ? this.builder.child(0, labels[rows.thread[i]]) : 0;
      const node = this.place(top, top + 1, rows.node[i]);
      this.builder.add(node, side, rows.weight[i] * scale);
    }
  }

  // part: what a comparison's A is scaled to
  make(accept, part = 1) {
    for (let side = 0; side < this.model.profiles.length; side++)
      this.addSide(side, accept, side ? part : 1);
    return this.builder.finish(this.model.labels, this.options.order);
  }
}

// Self and total of every label; a function that calls itself counts once.
function functionTotals(model, tree) {
  const n = model.labels.length;
  const self = tree.self.map(() => new Float64Array(n));
  const total = tree.self.map(() => new Float64Array(n));
  const onPath = new Int32Array(n);
  const open = [];
  for (let i = 1; i < tree.count; i++) {
    while (open.length && tree.end[open[open.length - 1]] <= i)
      onPath[tree.label[open.pop()]]--;
    const l = tree.label[i];
    for (let s = 0; s < tree.sides; s++) {
      self[s][l] += tree.self[s][i];
      if (!onPath[l])
        total[s][l] += tree.total[s][i];
    }
    onPath[l]++;
    open.push(i);
  }
  const seen = [];
  for (let l = 0; l < n; l++) {
    const { type } = model.labels[l];
    if (type !== TYPE.thread && type !== TYPE.mark && total.some((t) => t[l] > 0))
      seen.push(l);
  }
  return { labels: seen, self, total };
}

// The outermost nodes that show this label: their subtrees do not overlap.
function outermost(tree, matches) {
  const found = [];
  for (let i = 0; i < tree.count;) {
    if (matches[tree.label[i]]) {
      found.push(i);
      i = tree.end[i];
    } else {
      i++;
    }
  }
  return found;
}

function labelOnly(model, label) {
  const matches = new Uint8Array(model.labels.length);
  matches[label] = 1;
  return matches;
}

function calleesOf(model, tree, label, order) {
  const builder = new TreeBuilder(model.labels.length, tree.sides, label);
  for (const top of outermost(tree, labelOnly(model, label))) {
    const path = [];
    for (let i = top; i < tree.end[top]; i++) {
      path.length = tree.depth[i] - tree.depth[top];
      const to = i === top ? 0 : builder.child(path[path.length - 1], tree.label[i]);
      for (let s = 0; s < tree.sides; s++)
        builder.add(to, s, tree.self[s][i]);
      path.push(to);
    }
  }
  return builder.finish(model.labels, order);
}

function callersOf(model, tree, label, order) {
  const builder = new TreeBuilder(model.labels.length, tree.sides, label);
  for (const top of outermost(tree, labelOnly(model, label))) {
    let to = 0;
    for (let i = tree.parent[top]; i > 0; i = tree.parent[i])
      to = builder.child(to, tree.label[i]);
    for (let s = 0; s < tree.sides; s++)
      builder.add(to, s, tree.total[s][top]);
  }
  return builder.finish(model.labels, order);
}
