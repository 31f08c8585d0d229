// SPDX-License-Identifier: BSD-2-Clause
// The page: keeps the state, makes trees from it, hands them to the views.

class App {
  constructor(model) {
    this.model = model;
    this.theme = new Theme();
    this.state = soundState(model, stateFromHash(location.hash));
    this.history = [];
    this.picked = -1;
    const on = {
      hover: (view) => (node, e) => this.hover(view, node, e),
      menu: (view) => (node, e) => this.menu(view, node, e),
    };
    this.views = {};
    for (const id of ['flame', 'callers', 'callees']) {
      this.views[id] = new FlameView(byId(id), this.theme, {
        hover: (node, e) => on.hover(this.views[id])(node, e),
        menu: (node, e) => on.menu(this.views[id])(node, e),
        select: (node) => this.select(this.views[id], node),
      });
    }
    this.table = new FunctionTable(byId('functions'), this.theme, {
      pick: (label) => this.pick(label),
      open: (label) => this.openSandwich(label),
    });
    this.timeline = new Timeline(byId('timeline'), this.theme, {
      range: (range) => this.set({ range }),
      thread: (thread) => this.chooseThread(thread),
      hover: (text, e) => showTip(text ? text.split('\n') : [], e.clientX, e.clientY),
    });
    this.controls();
    drawHeader(model);
    drawFindings(model, (f) => this.openFinding(f));
    drawKeys();
    this.rebuild();
  }

  get kind() {
    return this.model.kinds.find((k) => k.name === this.state.kind);
  }

  get order() {
    return this.state.byName ? 'name' : 'weight';
  }

  // ── state ───────────────────────────────────────────────────────────────────────────────────

  set(patch, keepHistory) {
    const before = this.state;
    const changed = Object.keys(patch).filter((k) => String(patch[k]) !== String(before[k]));
    if (!changed.length)
      return;
    if (!keepHistory)
      this.history.push(before);
    this.state = { ...before, ...patch };
    if (changed.some((k) => TREE_KEYS.includes(k)))
      this.rebuild();
    else if (changed.every((k) => k === 'zoom'))
      this.applyZoom(true);
    else if (changed.every((k) => k === 'query' || k === 'regex'))
      this.applySearch();
    else
      this.applyLayout();
    this.finish();
  }

  back() {
    const before = this.history.pop();
    if (before) {
      this.state = before;
      this.picked = -1;
      this.rebuild();
    }
  }

  resetAll() {
    const { kind, layout, side, group, byName } = this.state;
    this.picked = -1;
    this.set({ ...DEFAULT_STATE, kind, side, group, byName, layout: layout === 'sandwich' ? 'flame' : layout });
  }

  finish() {
    const hash = stateToHash(this.state);
    try {
      history.replaceState(null, '', hash === '#' ? location.pathname + location.search : hash);
    } catch {
      // A page shown inside another (srcdoc) has no address of its own.
    }
    this.drawTools();
    this.drawCrumbs();
  }

  // ── trees ───────────────────────────────────────────────────────────────────────────────────

  // A comparison's A has neither B's threads nor its seconds: threads are those of the same names,
  // and a time of B stands against all of A, scaled to it.
  accept() {
    const { profiles } = this.model;
    const { threads, range } = this.state;
    const chosen = threads && new Set(threads);
    const names = threads && new Set(threads.map((t) => profiles[0].threads[t].comm));
    return (side, thread, window) => (side > 0
      ? !names || names.has(profiles[side].threads[thread].comm)
      : (!chosen || chosen.has(thread)) && (!range || (window >= range[0] && window <= range[1])));
  }

  // How much of B the chosen time is: of its seconds, or of its weight.
  part() {
    const { model, state } = this;
    const { range } = state;
    if (!range || !model.diff)
      return 1;
    const { windows } = model.profiles[0];
    const rows = model.rows(0, state.kind);
    let [part, all] = [0, 0];
    if (model.normalize === 'time') {
      windows.forEach((w, i) => {
        all += w.end - w.start;
        part += i >= range[0] && i <= range[1] ? w.end - w.start : 0;
      });
    } else {
      for (let i = 0; i < rows.length; i++) {
        all += rows.weight[i];
        part += rows.window[i] >= range[0] && rows.window[i] <= range[1] ? rows.weight[i] : 0;
      }
    }
    return all > 0 ? part / all : 1;
  }

  rebuild() {
    const { model, state } = this;
    this.tree = new TreeMaker(model, { ...state, order: this.order }).make(this.accept(), this.part());
    this.totals = functionTotals(model, this.tree);
    this.timeline.range = state.range;
    this.timeline.chosen = new Set(state.threads || []);
    this.timeline.show(model, 0, this.kind);
    this.applyLayout();
    this.finish();
  }

  whole() {
    return this.tree.total[this.tree.sides > 1 && this.state.side === 'a' ? 1 : 0][0];
  }

  // Widths and colours of a comparison.
  dress(view, tree, upward) {
    const { model, state } = this;
    view.paint = null;
    if (model.diff) {
      const union = state.side === 'change';
      tree.layout(union ? tree.unionWidth() : tree.total[state.side === 'a' ? 1 : 0]);
      if (union) {
        const change = (i) => {
          const [b, a] = tree.total.map((t) => t[i]);
          return model.certain(state.kind, a, b, tree.label[i]) ? b - a : 0;
        };
        let most = 0;
        for (let i = 0; i < tree.count; i++)
          most = Math.max(most, Math.abs(change(i)));
        view.paint = (i) => this.theme.change(most ? change(i) / most : 0);
      }
    }
    view.show(model, tree, upward);
  }

  applyLayout() {
    const { state, tree, views } = this;
    const sandwich = state.layout === 'sandwich';
    const empty = tree.total.every((t) => t[0] <= 0);
    byId('flame').hidden = sandwich;
    byId('sandwich').hidden = !sandwich;
    this.dress(views.flame, tree, state.layout === 'flame');
    if (sandwich)
      this.fillSandwich();
    this.drawEmpty(empty);
    this.applySearch();
    this.applyZoom(false);
  }

  drawEmpty(empty) {
    const { kind, state } = this;
    const narrowed = state.threads || state.range || state.hideKernel;
    byId('empty').hidden = !empty;
    byId('empty').textContent = narrowed && this.model.recorded(kind.name)
      ? `Nothing for ${kind.title} in this selection. Esc shows everything.`
      : `Nothing was recorded for ${kind.title}.`;
  }

  fillSandwich() {
    const { model, tree, views } = this;
    let label = this.labelOf(this.state.fn);
    if (label < 0)
      label = this.busiest();
    byId('sandwichName').textContent = label >= 0 ? model.labels[label].text : '';
    if (label < 0)
      return;
    const total = this.totals.total[0][label];
    byId('sandwichShare').textContent =
      `total ${formatPercent(total, this.whole())}, self ${formatPercent(this.totals.self[0][label], this.whole())}`;
    this.dress(views.callers, callersOf(model, tree, label, this.order), true);
    this.dress(views.callees, calleesOf(model, tree, label, this.order), false);
  }

  busiest() {
    let best = -1;
    for (const l of this.totals.labels) {
      if (best < 0 || this.totals.self[0][l] > this.totals.self[0][best])
        best = l;
    }
    return best;
  }

  labelOf(hash) {
    return hash ? this.model.labels.findIndex((_, l) => this.model.labelHash(l) === hash) : -1;
  }

  // ── zoom ────────────────────────────────────────────────────────────────────────────────────

  zoomHash(node) {
    return this.tree.labelPath(node).map((l) => this.model.labelHash(l)).join('.');
  }

  zoomNode() {
    const { tree, model } = this;
    let node = 0;
    for (const hash of this.state.zoom ? this.state.zoom.split('.') : []) {
      let next = -1;
      for (let c = node + 1; c < tree.end[node] && next < 0; c = tree.end[c]) {
        if (model.labelHash(tree.label[c]) === hash)
          next = c;
      }
      if (next < 0)
        break;
      node = next;
    }
    return node;
  }

  applyZoom(animated) {
    const node = this.zoomNode();
    if (node || this.views.flame.zoom)
      this.views.flame.zoomTo(node, animated);
  }

  select(view, node) {
    if (view === this.views.flame)
      this.set({ zoom: this.zoomHash(node) });
    else
      view.zoomTo(node, true);
  }

  // ── search ──────────────────────────────────────────────────────────────────────────────────

  matcher() {
    const { query, regex } = this.state;
    if (!query)
      return null;
    if (!regex) {
      const low = query.toLowerCase();
      return (text) => text.toLowerCase().includes(low);
    }
    try {
      const re = new RegExp(query, 'i');
      return (text) => re.test(text);
    } catch {
      return () => false;
    }
  }

  applySearch() {
    const { model, tree, state } = this;
    const test = this.matcher();
    let matches = null;
    if (this.picked >= 0)
      matches = labelOnly(model, this.picked);
    else if (test)
      matches = Uint8Array.from(model.labels, (l) => (test(l.text) ? 1 : 0));
    this.matches = matches;
    for (const view of Object.values(this.views)) {
      view.matches = matches;
      view.later();
    }
    const side = this.whole() === tree.total[0][0] ? 0 : 1;
    let matched = 0;
    if (matches) {
      for (const node of outermost(tree, matches))
        matched += tree.total[side][node];
    }
    byId('matched').textContent = matches ? `matched ${formatPercent(matched, this.whole())}` : '';
    byId('search').classList.toggle('bad', state.regex && !validRegex(state.query));
    this.table.kind = state.kind;
    this.table.show(model, this.totals, this.whole(), (l) => !test || test(model.labels[l].text));
  }

  pick(label) {
    this.picked = this.picked === label ? -1 : label;
    this.table.chosen = this.picked;
    this.applySearch();
  }

  openSandwich(label) {
    if (label < 0)
      return;
    this.set({ layout: 'sandwich', fn: this.model.labelHash(label) });
  }

  chooseThread(thread) {
    const now = this.state.threads;
    const same = now && now.length === 1 && now[0] === thread;
    this.set({ threads: thread < 0 || same ? null : [thread], zoom: '' });
  }

  // A finding's stack: in the kind that recorded it, under whichever thread has it.
  openFinding(finding) {
    const { model } = this;
    const path = [];
    for (let n = finding.node; n > 0; n = model.tree.parent[n])
      path.unshift(model.tree.label[n]);
    const kind = model.kinds.find((k) => model.rows(0, k.name).node.includes(finding.node));
    this.set({ ...DEFAULT_STATE, side: this.state.side, group: model.group, kind: kind ? kind.name : this.state.kind });
    const { tree } = this;
    for (let top = 1; top < tree.count; top = tree.end[top]) {
      const node = tree.find(path, top);
      if (tree.depth[node] === path.length + 1) {
        this.set({ zoom: this.zoomHash(node) }, true);
        return;
      }
    }
  }
}

function validRegex(text) {
  try {
    return Boolean(new RegExp(text));
  } catch {
    return false;
  }
}
