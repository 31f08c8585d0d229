// SPDX-License-Identifier: BSD-2-Clause
// The page's controls: buttons, keys, tooltip, menu. Part of App.

const LAYOUTS = [
  ['flame', 'Flame', 'Callers below, callees above'],
  ['icicle', 'Icicle', 'Callers above, callees below'],
  ['sandwich', 'Sandwich', 'Callers and callees of one function'],
];
const SIDES = [
  ['change', 'Change', 'What grew and what shrank'],
  ['b', 'B', 'After'],
  ['a', 'A', 'Before'],
];
const SWITCHES = ['hideKernel', 'foldRecursion', 'byModule', 'byName'];

Object.assign(App.prototype, {
  controls() {
    for (const id of SWITCHES)
      byId(id).addEventListener('change', (e) => this.set({ [id]: e.target.checked }));
    byId('regex').addEventListener('change', (e) => this.set({ regex: e.target.checked }, true));
    byId('group').addEventListener('change', (e) => this.set({ group: e.target.value, zoom: '' }));
    byId('search').addEventListener('input', (e) => {
      this.picked = -1;
      this.set({ query: e.target.value }, true);
    });
    byId('back').addEventListener('click', () => this.back());
    byId('reset').addEventListener('click', () => this.resetAll());
    byId('theme').addEventListener('click', () => this.switchTheme());
    byId('help').addEventListener('click', () => byId('keys').showModal());
    byId('toggleTable').addEventListener('click', () => this.toggleTable());
    byId('lanes').addEventListener('click', () => this.toggleLanes());
    this.theme.system.addEventListener('change', () => this.redraw());
    document.addEventListener('keydown', (e) => this.key(e));
    document.addEventListener('pointerdown', (e) => {
      if (!byId('menu').contains(e.target))
        byId('menu').hidden = true;
    });
    window.addEventListener('hashchange', () => {
      this.state = soundState(this.model, stateFromHash(location.hash));
      this.rebuild();
    });
    window.addEventListener('beforeprint', () => this.print(true));
    window.addEventListener('afterprint', () => this.print(false));
  },

  // ── what the controls show ──────────────────────────────────────────────────────────────────

  drawTools() {
    const { state, model } = this;
    drawKinds(model, state.kind, (kind) => this.set({ kind, zoom: '' }));
    byId('layouts').replaceChildren(...LAYOUTS.map(([id, text, title]) =>
      segment(text, title, state.layout === id, () => this.set({ layout: id }))));
    byId('sides').hidden = !model.diff;
    byId('sides').replaceChildren(...SIDES.map(([id, text, title]) =>
      segment(text, title, state.side === id, () => this.set({ side: id }))));
    for (const id of [...SWITCHES, 'regex'])
      byId(id).checked = state[id];
    byId('group').value = state.group;
    if (byId('search').value !== state.query)
      byId('search').value = state.query;
    byId('back').disabled = !this.history.length;
    const plain = ['zoom', 'query', 'threads', 'range', 'hideKernel', 'foldRecursion', 'byModule'];
    byId('reset').disabled = plain.every((k) => !state[k]) && this.picked < 0;
    byId('quality').textContent = qualityText(model, this.kind);
    drawLegend(model, this.theme, state.side);
    this.drawChosen();
    this.drawLanesButton();
  },

  drawChosen() {
    const { threads, range } = this.state;
    const p = this.model.profiles[0];
    const chips = [];
    const chip = (text, patch) => {
      const b = element('button', 'chip', `${text} ×`);
      b.addEventListener('click', () => this.set(patch));
      chips.push(b);
    };
    if (threads)
      chip(threads.map((t) => this.model.threadName(p.threads[t])).join(', '), { threads: null });
    if (range)
      chip(`${p.windows[range[0]].start.toFixed(1)}–${p.windows[range[1]].end.toFixed(1)} s`, { range: null });
    byId('chosen').replaceChildren(...chips);
  },

  drawLanesButton() {
    const more = this.timeline.lanes.length - 1 - 6;
    byId('lanes').hidden = more <= 0;
    byId('lanes').textContent = this.timeline.limit > 6 ? 'Fewer threads' : `${more} more threads`;
  },

  drawCrumbs() {
    const { tree, model } = this;
    const path = tree.path(this.zoomNode());
    const shown = path.length > 9 ? [path[0], -1, ...path.slice(-7)] : path;
    byId('crumbs').replaceChildren(...shown.map((node) => {
      const li = element('li');
      if (node < 0) {
        li.textContent = '…';
        return li;
      }
      const b = element('button', 'link', model.labels[tree.label[node]].text);
      b.title = b.textContent;
      b.addEventListener('click', () => this.set({ zoom: this.zoomHash(node) }));
      li.append(b);
      return li;
    }));
  },

  toggleLanes() {
    this.timeline.limit = this.timeline.limit > 6 ? 6 : 40;
    this.timeline.draw();
    this.drawLanesButton();
  },

  toggleTable() {
    const hidden = !byId('functions').hidden;
    byId('functions').hidden = hidden;
    byId('toggleTable').setAttribute('aria-pressed', String(!hidden));
  },

  switchTheme() {
    this.theme.toggle();
    this.redraw();
  },

  redraw() {
    this.theme.refresh();
    this.timeline.draw();
    this.table.draw();
    for (const view of Object.values(this.views))
      view.resize();
    drawLegend(this.model, this.theme, this.state.side);
  },

  // On paper: light, and the graph as high as it is.
  print(on) {
    this.theme.printing = on;
    document.body.classList.toggle('printing', on);
    for (const [id, view] of Object.entries(this.views))
      byId(id).style.height = on && view.tree ? `${Math.min(view.spacer.offsetHeight, 1400)}px` : '';
    this.redraw();
  },

  // ── one frame ───────────────────────────────────────────────────────────────────────────────

  frameLines(view, node) {
    const { tree } = view;
    const { labels, profiles } = this.model;
    const { text, module, type } = labels[tree.label[node]];
    const side = this.model.diff && this.state.side === 'a' ? 1 : 0;
    const weight = tree.total[side][node];
    const lines = [text];
    if (module || (type !== TYPE.thread && type !== TYPE.mark))
      lines.push([TYPE_NAMES[type], module].filter(Boolean).join('  ·  '));
    if (type === TYPE.mark)
      lines.push('the outer callers of these stacks are not known');
    lines.push(`${formatWeight(this.kind, weight, profiles[side])}  ·  ${formatPercent(weight, this.whole())}`);
    const zoomed = view.tree.total[side][view.zoom];
    if (view.zoom && zoomed)
      lines.push(`${formatPercent(weight, zoomed)} of ${labels[tree.label[view.zoom]].text}`);
    if (tree.self[side][node] > 0 && tree.end[node] > node + 1)
      lines.push(`self ${formatPercent(tree.self[side][node], this.whole())}`);
    if (this.model.diff) {
      const [b, a] = tree.total.map((t) => t[node]);
      lines.push(`A ${formatWeight(this.kind, a, profiles[0])} (scaled), B ${formatWeight(this.kind, b, profiles[0])}`);
      lines.push(a > 0 ? `${b >= a ? '+' : '−'}${formatPercent(Math.abs(b - a), a)}` : 'new in B');
    }
    return lines;
  },

  hover(view, node, event) {
    const menuOpen = !byId('menu').hidden;
    showTip(node < 0 || menuOpen ? [] : this.frameLines(view, node), event.clientX, event.clientY);
  },

  say(view) {
    const b = view.box4(view.cursor);
    const bounds = view.canvas.getBoundingClientRect();
    const lines = this.frameLines(view, view.cursor);
    showTip(lines, bounds.left + b.left, bounds.top + b.top + ROW);
    byId('said').textContent = lines.join(', ');
  },

  stackText(view, node) {
    return view.tree.path(node).slice(1).map((i) => this.model.labels[view.tree.label[i]].text).join('\n');
  },

  menu(view, node, event) {
    const label = view.tree.label[node];
    const { text, type } = this.model.labels[label];
    showTip([], 0, 0);
    const items = [
      ['Zoom here', () => this.select(view, node)],
      ['Copy name', () => copyText(text)],
      ['Copy stack', () => copyText(this.stackText(view, node))],
      ['Highlight everywhere', () => this.pick(label)],
    ];
    if (type !== TYPE.thread && type !== TYPE.mark)
      items.push(['Callers and callees', () => this.openSandwich(label)]);
    showMenu(items, event.clientX, event.clientY);
  },

  // ── keys ────────────────────────────────────────────────────────────────────────────────────

  focusedView() {
    const sandwich = this.state.layout === 'sandwich';
    const views = Object.values(this.views);
    return views.find((v) => v.canvas === document.activeElement)
      || (sandwich ? this.views.callees : this.views.flame);
  },

  key(e) {
    const typing = e.target.matches('input:not([type=checkbox]), select, textarea');
    if (e.ctrlKey || e.metaKey || e.altKey || byId('keys').open)
      return;
    if (e.key === 'Escape')
      this.escape();
    else if (typing && e.key === 'Enter')
      this.focusedView().canvas.focus();
    else if (typing || !this.plainKey(e))
      return;
    e.preventDefault();
  },

  escape() {
    showTip([], 0, 0);
    if (document.activeElement === byId('search'))
      this.focusedView().canvas.focus();
    if (!byId('menu').hidden)
      byId('menu').hidden = true;
    else if (this.state.query || this.picked >= 0) {
      this.picked = -1;
      this.table.chosen = -1;
      this.set({ query: '' }, true);
      this.applySearch();
    } else {
      this.resetAll();
    }
  },

  plainKey(e) {
    const actions = {
      '/': () => byId('search').focus(),
      '?': () => byId('keys').showModal(),
      f: () => this.set({ layout: 'flame' }),
      i: () => this.set({ layout: 'icicle' }),
      k: () => this.set({ hideKernel: !this.state.hideKernel }),
      r: () => this.set({ foldRecursion: !this.state.foldRecursion }),
      m: () => this.set({ byModule: !this.state.byModule }),
      t: () => this.toggleTable(),
      d: () => this.switchTheme(),
      Backspace: () => this.back(),
    };
    const kind = this.model.kinds[Number(e.key) - 1];
    if (actions[e.key])
      actions[e.key]();
    else if (kind)
      this.set({ kind: kind.name, zoom: '' });
    else
      return this.frameKey(e);
    return true;
  },

  frameKey(e) {
    const view = this.focusedView();
    const inButton = e.target.matches('button, summary, [role=columnheader]');
    if (!view.tree)
      return false;
    if (e.key.startsWith('Arrow')) {
      view.cursor = view.neighbour(e.key);
      view.reveal(view.cursor);
      view.draw();
      this.say(view);
    } else if (e.key === 'Enter' && view.cursor >= 0 && !inButton) {
      this.select(view, view.cursor);
    } else if (e.key === 's') {
      this.openSandwich(view.cursor > 0 ? view.tree.label[view.cursor] : this.busiest());
    } else if (e.key === 'c' && view.cursor >= 0) {
      copyText(this.model.labels[view.tree.label[view.cursor]].text);
      byId('said').textContent = 'copied';
    } else {
      return false;
    }
    return true;
  },
});
