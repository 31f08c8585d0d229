// SPDX-License-Identifier: BSD-2-Clause
// When did it happen, and in which thread: one lane for all, one a thread. Dragging across chooses
// a time range, a click on a lane's name chooses its thread.

const LANE = 18;
const LANE_ALL = 34;
const GUTTER = 190;
const AXIS = 16;

class Timeline {
  // on: { range([from, to] | null), thread(index), hover(text, event) }
  constructor(box, theme, on) {
    this.box = box;
    this.theme = theme;
    this.on = on;
    this.canvas = document.createElement('canvas');
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute('role', 'application');
    this.canvas.setAttribute('aria-label',
      'Timeline. Left and right choose a time, with shift a range; up and down choose a thread, Enter shows it alone.');
    box.append(this.canvas);
    this.context = this.canvas.getContext('2d');
    this.lanes = [];
    this.range = null;
    this.chosen = new Set();
    this.lane = 0;
    this.limit = 6;
    this.drag = null;
    this.listen();
  }

  listen() {
    const { canvas } = this;
    new ResizeObserver(() => this.draw()).observe(this.box);
    canvas.addEventListener('pointerdown', (e) => this.press(e));
    canvas.addEventListener('pointermove', (e) => this.move(e));
    canvas.addEventListener('pointerup', (e) => this.release(e));
    canvas.addEventListener('pointercancel', () => { this.drag = null; });
    canvas.addEventListener('mouseleave', (e) => this.on.hover('', e));
    canvas.addEventListener('dblclick', () => this.on.range(null));
    canvas.addEventListener('keydown', (e) => this.key(e));
  }

  // Sums of one kind per window, for all and by thread, busiest first.
  show(model, side, kind) {
    const profile = model.profiles[side];
    const rows = model.rows(side, kind.name);
    const n = profile.windows.length;
    const all = new Float64Array(n);
    const byThread = new Map();
    for (let i = 0; i < rows.length; i++) {
      let lane = byThread.get(rows.thread[i]);
      if (!lane) {
        lane = { thread: rows.thread[i], sums: new Float64Array(n), total: 0 };
        byThread.set(rows.thread[i], lane);
      }
      lane.sums[rows.window[i]] += rows.weight[i];
      lane.total += rows.weight[i];
      all[rows.window[i]] += rows.weight[i];
    }
    this.profile = profile;
    this.kind = kind;
    this.windows = profile.windows;
    this.start = n ? profile.windows[0].start : 0;
    this.span = n ? profile.windows[n - 1].end - this.start : 0;
    const lanes = [...byThread.values()].sort((a, b) => b.total - a.total);
    for (const lane of lanes)
      lane.name = model.threadName(profile.threads[lane.thread]);
    this.lanes = [{ thread: -1, name: model.diff ? 'B, all threads' : 'all threads', sums: all }, ...lanes];
    this.rate = this.rates();
    this.draw();
  }

  // What one second of a window holds, in the unit that the lane's scale is in.
  rates() {
    const perSecond = this.kind.name === 'cpu' && this.profile.hz ? 1 / this.profile.hz
      : this.kind.unit === 'µs' ? 1e-6 : 1;
    return (lane, i) => {
      const w = this.windows[i];
      return (lane.sums[i] * perSecond) / Math.max(0.001, w.end - w.start);
    };
  }

  shownLanes() {
    return this.lanes.slice(0, this.limit + 1);
  }

  // ── choosing ────────────────────────────────────────────────────────────────────────────────

  timeAt(event) {
    const b = this.canvas.getBoundingClientRect();
    const t = ((event.clientX - b.left - GUTTER) / (this.w - GUTTER - 8)) * this.span;
    return this.start + Math.min(this.span, Math.max(0, t));
  }

  laneAt(event) {
    const y = event.clientY - this.canvas.getBoundingClientRect().top - AXIS;
    if (y < 0)
      return -1;
    return y < LANE_ALL ? 0 : 1 + Math.floor((y - LANE_ALL) / LANE);
  }

  press(e) {
    if (e.button !== 0)
      return;
    const inName = e.clientX - this.canvas.getBoundingClientRect().left < GUTTER;
    const lane = this.shownLanes()[this.laneAt(e)];
    if (inName) {
      if (lane)
        this.on.thread(lane.thread);
      return;
    }
    this.drag = { from: this.timeAt(e), to: this.timeAt(e), x: e.clientX };
    this.canvas.setPointerCapture(e.pointerId);
  }

  move(e) {
    if (this.drag) {
      this.drag.to = this.timeAt(e);
      this.draw();
    }
    this.tip(e);
  }

  release(e) {
    const { drag } = this;
    this.drag = null;
    if (!drag)
      return;
    if (Math.abs(e.clientX - drag.x) < 4)
      this.on.range(null);
    else
      this.on.range(this.snap(drag.from, drag.to));
    this.draw();
  }

  // Whole windows: [first, last].
  snap(a, b) {
    const from = Math.min(a, b);
    const to = Math.max(a, b);
    let first = this.windows.findIndex((w) => w.end > from);
    let last = first;
    for (let i = first; i >= 0 && i < this.windows.length && this.windows[i].start < to; i++)
      last = i;
    if (first < 0)
      first = last = this.windows.length - 1;
    return [first, last];
  }

  key(e) {
    const n = this.windows.length;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (step && n) {
      const [first, last] = this.range || (step > 0 ? [-1, -1] : [n, n]);
      const to = Math.min(n - 1, Math.max(0, last + step));
      this.on.range(e.shiftKey && this.range ? [Math.min(first, to), to] : [to, to]);
    } else if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      const by = e.key === 'ArrowDown' ? 1 : -1;
      this.lane = Math.min(this.shownLanes().length - 1, Math.max(0, this.lane + by));
      this.draw();
    } else if (e.key === 'Enter' && this.lanes[this.lane]) {
      this.on.thread(this.lanes[this.lane].thread);
    } else {
      return;
    }
    e.preventDefault();
    e.stopPropagation();
  }

  tip(e) {
    const lane = this.shownLanes()[this.laneAt(e)];
    const t = this.timeAt(e);
    const i = this.windows.findIndex((w) => t >= w.start && t < w.end);
    if (!lane || i < 0) {
      this.on.hover('', e);
      return;
    }
    const w = this.windows[i];
    const amount = formatWeight(this.kind, lane.sums[i], this.profile);
    this.on.hover(`${lane.name}\n${w.start.toFixed(1)}–${w.end.toFixed(1)} s: ${amount}`, e);
  }

  // ── drawing ─────────────────────────────────────────────────────────────────────────────────

  draw() {
    const { context: g } = this;
    const lanes = this.shownLanes();
    const ratio = window.devicePixelRatio || 1;
    const w = this.box.clientWidth;
    const h = AXIS + LANE_ALL + Math.max(0, lanes.length - 1) * LANE + 4;
    this.w = w;
    this.canvas.width = Math.round(w * ratio);
    this.canvas.height = Math.round(h * ratio);
    this.canvas.style.width = `${w}px`;
    this.canvas.style.height = `${h}px`;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = this.theme.css.background;
    g.fillRect(0, 0, w, h);
    if (!lanes.length || !this.span)
      return;
    g.font = FRAME_FONT;
    g.textBaseline = 'middle';
    this.drawAxis(h);
    lanes.forEach((lane, i) => this.drawLane(lane, i));
    this.drawRange(h);
  }

  x(t) {
    return GUTTER + ((t - this.start) / this.span) * (this.w - GUTTER - 8);
  }

  drawAxis(h) {
    const { context: g, theme } = this;
    const step = niceStep(this.span / Math.max(2, (this.w - GUTTER) / 90));
    g.fillStyle = theme.css.muted;
    g.fillText('drag: a time · click: a thread', 10, AXIS / 2 + 1);
    g.textAlign = 'center';
    const first = Math.ceil(this.start / step) * step;
    for (let t = first; t <= this.start + this.span + 1e-9; t += step) {
      const x = Math.round(this.x(t)) + 0.5;
      g.fillStyle = theme.css.line;
      g.fillRect(x - 0.5, AXIS, 1, h - AXIS - 4);
      g.fillStyle = theme.css.muted;
      if (x < this.w - 12)
        g.fillText(`${Number(t.toFixed(3))} s`, Math.max(x, GUTTER + 8), AXIS / 2);
    }
    g.textAlign = 'left';
  }

  drawLane(lane, index) {
    const { context: g, theme } = this;
    const top = AXIS + (index ? LANE_ALL + (index - 1) * LANE : 0);
    const height = (index ? LANE : LANE_ALL) - 3;
    let peak = this.kind.name === 'cpu' && index ? 1 : 0;
    for (let i = 0; i < this.windows.length; i++)
      peak = Math.max(peak, this.rate(lane, i));
    g.fillStyle = index === this.lane && document.activeElement === this.canvas
      ? theme.css.accent : theme.css.text;
    g.globalAlpha = this.chosen.size && !this.chosen.has(lane.thread) && index ? 0.45 : 1;
    const name = clipText(g, lane.name, GUTTER - 78);
    g.fillText(name, 10, top + height / 2 + 1);
    g.fillStyle = theme.css.muted;
    g.textAlign = 'right';
    g.fillText(this.laneTotal(lane), GUTTER - 8, top + height / 2 + 1);
    g.textAlign = 'left';
    g.fillStyle = theme.css.lane;
    for (let i = 0; i < this.windows.length; i++) {
      const v = peak ? this.rate(lane, i) / peak : 0;
      const x = this.x(this.windows[i].start);
      const bar = Math.max(0.6, this.x(this.windows[i].end) - x - 0.5);
      if (v > 0)
        g.fillRect(x, top + height - Math.max(1, v * height), bar, Math.max(1, v * height));
    }
    g.globalAlpha = 1;
  }

  laneTotal(lane) {
    let sum = 0;
    for (const v of lane.sums)
      sum += v;
    if (this.kind.name === 'cpu' && this.profile.hz)
      return formatSeconds(sum / this.profile.hz);
    return this.kind.unit === 'µs' ? formatSeconds(sum / 1e6) : formatNumber(sum);
  }

  drawRange(h) {
    const { context: g, theme } = this;
    let from;
    let to;
    if (this.drag) {
      from = Math.min(this.drag.from, this.drag.to);
      to = Math.max(this.drag.from, this.drag.to);
    } else if (this.range) {
      from = this.windows[this.range[0]].start;
      to = this.windows[this.range[1]].end;
    } else {
      return;
    }
    const a = this.x(from);
    const b = this.x(to);
    g.fillStyle = theme.css.background;
    g.globalAlpha = 0.62;
    g.fillRect(GUTTER, AXIS, a - GUTTER, h - AXIS);
    g.fillRect(b, AXIS, this.w - b, h - AXIS);
    g.globalAlpha = 1;
    g.strokeStyle = theme.css.accent;
    g.lineWidth = 1.5;
    g.strokeRect(a, AXIS + 0.5, Math.max(2, b - a), h - AXIS - 3);
  }
}

function niceStep(least) {
  const unit = 10 ** Math.floor(Math.log10(least || 1));
  return [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= least);
}

function clipText(g, text, room) {
  const width = g.measureText(text).width;
  if (width <= room)
    return text;
  return `${text.slice(0, Math.max(1, Math.floor((text.length * room) / width) - 1))}…`;
}
