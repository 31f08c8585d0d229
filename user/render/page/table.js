// SPDX-License-Identifier: BSD-2-Clause
// The list of functions with self and total. Only the rows in sight exist.

const TABLE_ROW = 24;

class FunctionTable {
  // on: { pick(label), open(label) }
  constructor(box, theme, on) {
    this.box = box;
    this.theme = theme;
    this.on = on;
    this.rows = [];
    this.sort = 'self';
    this.down = true;
    this.chosen = -1;
    this.heads = [...box.querySelectorAll('[data-sort]')];
    this.body = box.querySelector('.table-rows');
    this.list = document.createElement('div');
    this.body.append(this.list);
    this.body.tabIndex = 0;
    this.listen();
  }

  listen() {
    for (const head of this.heads)
      head.addEventListener('click', () => this.sortBy(head.dataset.sort));
    this.body.addEventListener('scroll', () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.body);
    this.body.addEventListener('click', (e) => this.withRow(e, (l) => this.pick(l)));
    this.body.addEventListener('dblclick', (e) => this.withRow(e, (l) => this.on.open(l)));
    this.body.addEventListener('keydown', (e) => this.key(e));
  }

  withRow(event, f) {
    const row = event.target.closest('[data-label]');
    if (row)
      f(Number(row.dataset.label));
  }

  key(e) {
    const at = this.rows.indexOf(this.chosen);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 }[e.key];
    if (step && this.rows.length) {
      const to = Math.min(this.rows.length - 1, Math.max(0, at + step));
      this.body.scrollTop = Math.max(
        Math.min(this.body.scrollTop, to * TABLE_ROW),
        (to + 1) * TABLE_ROW - this.body.clientHeight);
      this.pick(this.rows[to]);
    } else if (e.key === 'Enter' && this.chosen >= 0) {
      this.on.open(this.chosen);
    } else {
      return;
    }
    e.preventDefault();
    e.stopPropagation();
  }

  pick(label) {
    this.chosen = label;
    this.draw();
    this.on.pick(label);
  }

  sortBy(key) {
    this.down = key === this.sort ? !this.down : key !== 'name';
    this.sort = key;
    this.order();
    this.body.scrollTop = 0;
    this.draw();
  }

  // totals: functionTotals(); whole: the weight that is 100 % per side; accept(label) filters.
  show(model, totals, whole, accept) {
    this.model = model;
    this.totals = totals;
    this.whole = whole;
    this.rows = totals.labels.filter(accept);
    this.order();
    this.draw();
  }

  // What a column shows: a share, or in a comparison its change in points of the whole.
  value(key, label) {
    const t = this.totals[key];
    if (t.length === 1)
      return t[0][label];
    return t[0][label] - t[1][label];
  }

  get diff() {
    return this.totals.self.length > 1;
  }

  certain(key, label) {
    const [b, a] = this.totals[key].map((t) => t[label]);
    return this.model.certain(this.kind, a, b, label, key);
  }

  // A comparison, in the order of `tprof diff`: what is certain of this column, then what is of the
  // other, then what chance explains.
  rank(key, label) {
    if (!this.diff)
      return this.value(key, label);
    const other = key === 'self' ? 'total' : 'self';
    const share = (k) => (this.whole > 0 ? Math.abs(this.value(k, label)) / this.whole : 0);
    if (this.certain(key, label))
      return 2e6 + share(key);
    return this.certain(other, label) ? 1e6 + share(other) : share(key);
  }

  order() {
    const { labels } = this.model;
    const sign = this.down ? -1 : 1;
    const byName = (a, b) => (labels[a].text < labels[b].text ? -1 : 1);
    if (this.sort === 'name') {
      this.rows.sort((a, b) => sign * byName(a, b));
    } else {
      const rank = new Map(this.rows.map((l) => [l, this.rank(this.sort, l)]));
      this.rows.sort((a, b) => sign * (rank.get(a) - rank.get(b)) || byName(a, b));
    }
    for (const head of this.heads) {
      const mine = head.dataset.sort === this.sort;
      head.setAttribute('aria-sort', mine ? (this.down ? 'descending' : 'ascending') : 'none');
      if (this.diff && head.dataset.sort !== 'name')
        head.title = 'B less A, in points of what is shown of B';
    }
  }

  draw() {
    if (!this.model)
      return;
    const from = Math.max(0, Math.floor(this.body.scrollTop / TABLE_ROW) - 4);
    const to = Math.min(this.rows.length, from + Math.ceil(this.body.clientHeight / TABLE_ROW) + 8);
    const rows = [];
    for (let i = from; i < to; i++)
      rows.push(this.row(this.rows[i], i));
    this.list.style.height = `${this.rows.length * TABLE_ROW}px`;
    this.list.replaceChildren(...rows);
  }

  row(label, i) {
    const { text, module } = this.model.labels[label];
    const row = element('div', label === this.chosen ? 'table-row chosen' : 'table-row');
    row.dataset.label = label;
    row.style.top = `${i * TABLE_ROW}px`;
    row.title = module ? `${text}\n${module}` : text;
    const name = element('span', 'table-name');
    const swatch = element('i', 'swatch');
    swatch.style.background = this.theme.frame(this.model.labels, label);
    name.append(swatch, element('bdi', '', text));
    const base = module.slice(module.lastIndexOf('/') + 1);
    if (base)
      name.append(element('small', '', base));
    row.append(name, this.cell('self', label), this.cell('total', label));
    return row;
  }

  cell(key, label) {
    const value = this.value(key, label);
    const share = this.whole > 0 ? value / this.whole : 0;
    const cell = element('span', 'table-cell', this.diff ? changeText(share) : formatPercent(value, this.whole));
    cell.style.setProperty('--share', `${Math.min(100, Math.abs(share) * 100)}%`);
    if (this.diff) {
      const certain = this.certain(key, label);
      cell.classList.add(!certain ? 'chance' : value > 0 ? 'grown' : 'shrunk');
      if (!certain)
        cell.title = 'within chance';
    }
    return cell;
  }
}

function changeText(share) {
  const points = share * 100;
  if (Math.abs(points) < 0.005)
    return '0';
  const size = Math.abs(points);
  return `${points > 0 ? '+' : '−'}${size.toFixed(size < 10 ? 2 : 1)} %`;
}

function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className)
    e.className = className;
  if (text !== undefined)
    e.textContent = text;
  return e;
}
