// SPDX-License-Identifier: BSD-2-Clause
// One flame graph on a canvas. The canvas is as large as what is seen of it; a spacer gives the
// scroll bar the whole height, so that a deep graph costs no more than a shallow one.

const ROW = 19;
const FRAME_FONT = '11.5px ui-sans-serif, system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif';
const ZOOM_MS = 140;

class FlameView {
  // on: { hover(node, event), select(node), menu(node, event) }
  constructor(box, theme, on) {
    this.theme = theme;
    this.on = on;
    this.box = box;
    this.spacer = document.createElement('div');
    this.spacer.className = 'spacer';
    this.canvas = document.createElement('canvas');
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute('role', 'application');
    box.append(this.canvas, this.spacer);
    this.context = this.canvas.getContext('2d');
    this.tree = null;
    this.zoom = 0;
    this.window = [0, 1];
    this.cursor = -1;
    this.hovered = -1;
    this.matches = null;
    this.upward = false;
    this.paint = null; // node → colour, in place of the theme's
    this.widths = new Map();
    this.frame = 0;
    this.below = 0; // how much of the graph lies below what is seen
    this.listen();
  }

  listen() {
    const { canvas, box } = this;
    box.addEventListener('scroll', () => {
      if (box.clientHeight === this.h) // else resize() is about to come
        this.below = box.scrollHeight - box.scrollTop - this.h;
      this.later();
    });
    new ResizeObserver(() => this.resize()).observe(box);
    canvas.addEventListener('mousemove', (e) => this.hover(this.at(e), e));
    canvas.addEventListener('mouseleave', (e) => this.hover(-1, e));
    canvas.addEventListener('click', (e) => {
      const node = this.at(e);
      canvas.focus({ preventScroll: true });
      if (node >= 0)
        this.on.select(node);
    });
    canvas.addEventListener('contextmenu', (e) => {
      const node = this.at(e);
      if (node >= 0) {
        e.preventDefault();
        this.cursor = node;
        this.on.menu(node, e);
      }
    });
  }

  show(model, tree, upward) {
    this.model = model;
    this.tree = tree;
    this.upward = upward;
    this.zoom = 0;
    this.cursor = -1;
    this.hovered = -1;
    this.window = [0, tree.width[0]];
    this.spacer.style.height = `${(tree.maxDepth + 1) * ROW + 2}px`;
    this.below = 0;
    this.box.scrollTop = 0;
    this.resize();
  }

  resize() {
    const w = this.box.clientWidth;
    const h = this.box.clientHeight;
    const ratio = window.devicePixelRatio || 1;
    this.w = w;
    this.h = h;
    this.canvas.width = Math.round(w * ratio);
    this.canvas.height = Math.round(h * ratio);
    this.canvas.style.width = `${w}px`;
    this.canvas.style.height = `${h}px`;
    this.spacer.style.marginTop = `${-h}px`;
    if (this.upward) // what grows from below stays where it is, from below
      this.box.scrollTop = this.box.scrollHeight - h - this.below;
    this.draw();
  }

  later() {
    if (!this.frame)
      this.frame = requestAnimationFrame(() => this.draw());
  }

  // ── where things are ────────────────────────────────────────────────────────────────────────

  rowTop(depth) {
    const height = Math.max((this.tree.maxDepth + 1) * ROW + 2, this.h);
    const y = this.upward ? height - (depth + 1) * ROW - 1 : depth * ROW + 1;
    return y - this.box.scrollTop;
  }

  at(event) {
    const { tree } = this;
    if (!tree)
      return -1;
    const bounds = this.canvas.getBoundingClientRect();
    const y = event.clientY - bounds.top;
    const depth = Math.floor((this.upward ? this.rowTop(0) + ROW - y : y - this.rowTop(0)) / ROW);
    const [from, to] = this.window;
    const x = from + ((event.clientX - bounds.left) / this.w) * (to - from);
    for (let i = 0; i < tree.count;) {
      if (x < tree.x[i] || x >= tree.x[i] + tree.width[i])
        i = tree.end[i];
      else if (tree.depth[i] === depth)
        return i;
      else
        i++;
    }
    return -1;
  }

  box4(node) {
    const [from, to] = this.window;
    const scale = this.w / (to - from);
    const left = Math.max(0, (this.tree.x[node] - from) * scale);
    const right = Math.min(this.w, (this.tree.x[node] + this.tree.width[node] - from) * scale);
    return { left, right, top: this.rowTop(this.tree.depth[node]) };
  }

  reveal(node) {
    const top = this.rowTop(this.tree.depth[node]);
    if (top < 0)
      this.box.scrollTop += top - ROW;
    else if (top + ROW > this.h)
      this.box.scrollTop += top + 2 * ROW - this.h;
  }

  // ── zoom ────────────────────────────────────────────────────────────────────────────────────

  zoomTo(node, animated) {
    const { tree } = this;
    const to = [tree.x[node], tree.x[node] + (tree.width[node] || 1)];
    this.zoom = node;
    this.cursor = node;
    this.reveal(node);
    cancelAnimationFrame(this.flight);
    if (!animated || window.matchMedia('(prefers-reduced-motion: reduce)').matches) {
      this.window = to;
      this.draw();
      return;
    }
    const from = this.window;
    const start = performance.now();
    const step = (now) => {
      const t = Math.min(1, Math.max(0, (now - start) / ZOOM_MS));
      const k = 1 - (1 - t) ** 3;
      this.window = [from[0] + (to[0] - from[0]) * k, from[1] + (to[1] - from[1]) * k];
      if (t === 1)
        this.window = to;
      this.draw();
      if (t < 1)
        this.flight = requestAnimationFrame(step);
    };
    this.flight = requestAnimationFrame(step);
  }

  hover(node, event) {
    if (node !== this.hovered) {
      this.hovered = node;
      this.canvas.style.cursor = node >= 0 ? 'pointer' : 'default';
      this.later();
    }
    this.on.hover(node, event);
  }

  // The frame that an arrow key leads to.
  neighbour(key) {
    const { tree } = this;
    const node = this.cursor < 0 ? this.zoom : this.cursor;
    const outward = this.upward ? 'ArrowUp' : 'ArrowDown';
    if (key === 'ArrowLeft' || key === 'ArrowRight')
      return this.beside(node, key === 'ArrowLeft' ? -1 : 1);
    if (key !== outward)
      return Math.max(0, tree.parent[node]);
    let best = node;
    for (let c = node + 1; c < tree.end[node]; c = tree.end[c]) {
      if (tree.width[c] > 0 && (best === node || tree.width[c] > tree.width[best]))
        best = c;
    }
    return best;
  }

  beside(node, step) {
    const { tree } = this;
    const [from, to] = this.window;
    const seen = (i) => tree.width[i] > 0 && tree.x[i] < to && tree.x[i] + tree.width[i] > from;
    for (let i = node + step; i >= 0 && i < tree.count; i += step) {
      if (tree.depth[i] === tree.depth[node] && seen(i))
        return i;
    }
    return node;
  }

  // ── drawing ─────────────────────────────────────────────────────────────────────────────────

  draw() {
    const { context: g, tree } = this;
    const ratio = window.devicePixelRatio || 1;
    this.frame = 0;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = this.theme.css.background;
    g.fillRect(0, 0, this.w, this.h);
    if (!tree || tree.width[0] <= 0)
      return;
    g.font = FRAME_FONT;
    g.textBaseline = 'middle';
    g.direction = 'ltr';
    this.drawFrames();
    if (this.cursor >= 0)
      this.outline(this.cursor, 2, this.theme.css.accent);
    if (this.hovered >= 0)
      this.outline(this.hovered, 1, this.theme.css.text);
  }

  drawFrames() {
    const { context: g, tree } = this;
    const [from, to] = this.window;
    const scale = this.w / (to - from);
    const texts = [];
    const zoomDepth = tree.depth[this.zoom];
    const y0 = this.rowTop(0);
    const rise = this.upward ? -ROW : ROW;
    for (let i = 0; i < tree.count;) {
      const x = (tree.x[i] - from) * scale;
      const w = tree.width[i] * scale;
      if (w < 0.35 || x >= this.w || x + w <= 0) {
        i = tree.end[i];
        continue;
      }
      const y = y0 + tree.depth[i] * rise;
      if (y > -ROW && y < this.h) {
        const left = Math.max(0, x);
        const width = Math.min(this.w, x + w) - left;
        g.globalAlpha = tree.depth[i] < zoomDepth ? 0.5 : 1;
        g.fillStyle = this.colourOf(i);
        g.fillRect(left, y, width > 2 ? width - 0.75 : Math.max(0.5, width * 0.9), ROW - 1);
        if (width > 26)
          texts.push(i, left, width, y);
      }
      i++;
    }
    this.drawTexts(texts, zoomDepth);
    g.globalAlpha = 1;
  }

  colourOf(i) {
    const label = this.tree.label[i];
    if (this.matches && this.matches[label])
      return this.theme.css.match;
    if (this.paint)
      return this.paint(i);
    return this.theme.frame(this.model.labels, label);
  }

  drawTexts(texts, zoomDepth) {
    const { context: g, tree, model } = this;
    g.fillStyle = this.theme.css['frame-text'];
    for (let t = 0; t < texts.length; t += 4) {
      const i = texts[t];
      const label = model.labels[tree.label[i]];
      const left = texts[t + 1];
      const room = texts[t + 2] - 8;
      const y = texts[t + 3];
      if (label.type === TYPE.mark)
        this.hatch(left, y, texts[t + 2]);
      const faded = this.matches && !this.matches[tree.label[i]];
      g.globalAlpha = tree.depth[i] < zoomDepth || faded ? 0.62 : 1;
      const text = this.fit(tree.label[i], label.text, room);
      if (text)
        g.fillText(text, left + 4, y + ROW / 2, room + 2);
    }
  }

  // Diagonal lines: this stack's beginning is not known.
  hatch(x, y, w) {
    const { context: g } = this;
    g.save();
    g.beginPath();
    g.rect(x, y, w - 0.75, ROW - 1);
    g.clip();
    g.globalAlpha = 0.16;
    g.strokeStyle = this.theme.css['frame-text'];
    g.lineWidth = 2;
    g.beginPath();
    for (let d = -ROW; d < w; d += 8) {
      g.moveTo(x + d, y + ROW);
      g.lineTo(x + d + ROW, y);
    }
    g.stroke();
    g.restore();
  }

  fit(label, text, room) {
    let width = this.widths.get(label);
    if (width === undefined) {
      width = this.context.measureText(text).width;
      this.widths.set(label, width);
    }
    if (width <= room)
      return text;
    const chars = Math.floor((room / width) * text.length) - 1;
    return chars < 2 ? '' : `${text.slice(0, chars)}…`;
  }

  outline(node, line, colour) {
    const { context: g } = this;
    const b = this.box4(node);
    if (b.right <= b.left)
      return;
    g.lineWidth = line;
    g.strokeStyle = colour;
    g.strokeRect(b.left + line / 2, b.top + line / 2, Math.max(1, b.right - b.left - line), ROW - line);
  }
}
