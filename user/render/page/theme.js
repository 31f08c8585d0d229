// SPDX-License-Identifier: BSD-2-Clause
// Colours and number formats.

// Hue and saturation say what a frame is; its module shifts the hue a little, its name the lightness.
const FRAME_COLOURS = {
  light: {
    [TYPE.thread]: [220, 10, 87, 0, 0],
    [TYPE.mark]: [220, 4, 84, 0, 0],
    [TYPE.user]: [33, 88, 73, 9, 5],
    [TYPE.kernel]: [221, 72, 81, 8, 4],
    [TYPE.jit]: [136, 44, 73, 10, 5],
    [TYPE.inline]: [182, 46, 76, 7, 4],
  },
  dark: {
    [TYPE.thread]: [220, 9, 46, 0, 0],
    [TYPE.mark]: [220, 4, 42, 0, 0],
    [TYPE.user]: [32, 66, 60, 9, 5],
    [TYPE.kernel]: [219, 58, 69, 8, 4],
    [TYPE.jit]: [140, 36, 58, 10, 5],
    [TYPE.inline]: [184, 36, 60, 7, 4],
  },
};

const TYPE_NAMES = ['thread', 'truncated', 'user', 'kernel', 'JIT', 'inlined'];

function textHash(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++)
    h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  h ^= h >>> 15;
  return ((h >>> 0) % 1024) / 1023; // 0 … 1
}

class Theme {
  constructor() {
    this.choice = null; // null = as the system has it
    this.system = window.matchMedia('(prefers-color-scheme: dark)');
    this.printing = false;
    this.cache = [];
    this.name = '';
    this.refresh();
  }

  refresh() {
    const dark = this.choice ? this.choice === 'dark' : this.system.matches;
    const name = dark && !this.printing ? 'dark' : 'light';
    if (name !== this.name)
      this.cache = [];
    this.name = name;
    document.documentElement.dataset.theme = name;
    const style = getComputedStyle(document.documentElement);
    this.colour = (key) => style.getPropertyValue(`--${key}`).trim();
    this.css = {};
    for (const key of ['background', 'text', 'muted', 'line', 'accent', 'match', 'frame-text', 'lane', 'select'])
      this.css[key] = this.colour(key);
  }

  toggle() {
    this.choice = this.name === 'dark' ? 'light' : 'dark';
    this.refresh();
  }

  frame(labels, l) {
    let colour = this.cache[l];
    if (!colour) {
      const { text, module, type } = labels[l];
      const [hue, saturation, light, hues, lights] = FRAME_COLOURS[this.name][type];
      const h = hue + (textHash(module) * 2 - 1) * hues;
      const b = light + (textHash(text) * 2 - 1) * lights;
      colour = `hsl(${h.toFixed(1)} ${saturation}% ${b.toFixed(1)}%)`;
      this.cache[l] = colour;
    }
    return colour;
  }

  typeColour(type) {
    const [hue, saturation, light] = FRAME_COLOURS[this.name][type];
    return `hsl(${hue} ${saturation}% ${light}%)`;
  }

  // change: −1 (all gone) … 0 … 1 (grown most)
  change(change) {
    const strength = Math.sqrt(Math.min(1, Math.abs(change)));
    if (strength < 0.03)
      return this.name === 'dark' ? 'hsl(220 6% 48%)' : 'hsl(220 10% 91%)';
    const hue = change > 0 ? 4 : 217;
    if (this.name === 'dark')
      return `hsl(${hue} ${(25 + 50 * strength).toFixed(0)}% ${(52 + 10 * strength).toFixed(0)}%)`;
    return `hsl(${hue} ${(60 + 25 * strength).toFixed(0)}% ${(92 - 26 * strength).toFixed(0)}%)`;
  }
}

function formatPercent(part, whole) {
  const p = whole > 0 ? (100 * part) / whole : 0;
  if (p === 0)
    return '0 %';
  return p < 0.01 ? '< 0.01 %' : `${p < 10 ? p.toFixed(2) : p.toFixed(1)} %`;
}

function formatNumber(v) {
  return Math.round(v).toLocaleString('en-US');
}

function formatSeconds(s) {
  if (s >= 100)
    return `${s.toFixed(0)} s`;
  if (s >= 1)
    return `${s.toFixed(2)} s`;
  return s >= 0.001 ? `${(s * 1000).toFixed(1)} ms` : `${(s * 1e6).toFixed(0)} µs`;
}

// A weight as people read it: "1,234 samples (12.5 s)", "3.42 s".
function formatWeight(kind, weight, profile) {
  if (kind.unit === 'µs')
    return formatSeconds(weight / 1e6);
  const count = `${formatNumber(weight)} ${kind.unit}`;
  if (kind.name === 'cpu' && profile.hz)
    return `${count} (${formatSeconds(weight / profile.hz)})`;
  return count;
}
