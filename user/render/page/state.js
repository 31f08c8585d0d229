// SPDX-License-Identifier: BSD-2-Clause
// What the page shows, as a plain object, and as the part of its address behind '#'.

const DEFAULT_STATE = {
  kind: '',
  layout: 'flame', // flame, icicle, sandwich
  side: 'change', // a comparison: change, b, a
  group: '', // a level for threads: pool (numbers in names taken out), name, thread, none
  hideKernel: false,
  foldRecursion: false,
  byModule: false,
  byName: false,
  query: '',
  regex: false,
  threads: null, // chosen thread numbers, null = all
  range: null, // [first, last] window, null = all
  zoom: '', // label hashes from the root on, joined by '.'
  fn: '', // the sandwich's function: a label hash
};

// Changing one of these makes another tree.
const TREE_KEYS = ['kind', 'group', 'hideKernel', 'foldRecursion', 'byModule', 'byName', 'threads', 'range'];

function stateToHash(state) {
  const q = new URLSearchParams();
  for (const [key, normal] of Object.entries(DEFAULT_STATE)) {
    const value = state[key];
    if (value === normal || value === null)
      continue;
    q.set(key, value === true ? '1' : Array.isArray(value) ? value.join('-') : value);
  }
  return `#${q}`;
}

function numbers(text) {
  const list = text.split('-').map(Number);
  return list.every((n) => Number.isInteger(n) && n >= 0) ? list : null;
}

function stateFromHash(hash) {
  const q = new URLSearchParams(hash.replace(/^#/, ''));
  const state = { ...DEFAULT_STATE };
  for (const [key, normal] of Object.entries(DEFAULT_STATE)) {
    const text = q.get(key);
    if (text === null)
      continue;
    if (typeof normal === 'boolean')
      state[key] = text === '1';
    else if (normal === null)
      state[key] = numbers(text);
    else
      state[key] = text;
  }
  return state;
}

// An address may be old or mistyped: what does not exist here is left out.
function soundState(model, state) {
  const s = { ...state };
  const { windows, threads } = model.profiles[0];
  const one = (value, choices) => (choices.includes(value) ? value : choices[0]);
  if (!model.kinds.some((k) => k.name === s.kind)) {
    const recorded = model.kinds.find((k) => model.recorded(k.name));
    s.kind = recorded && !model.recorded(model.kind) ? recorded.name : model.kind;
  }
  s.layout = one(s.layout, ['flame', 'icicle', 'sandwich']);
  s.side = one(s.side, ['change', 'b', 'a']);
  if (!['pool', 'name', 'thread', 'none'].includes(s.group))
    s.group = model.group;
  if (s.range && (s.range.length !== 2 || s.range[0] > s.range[1] || s.range[1] >= windows.length))
    s.range = null;
  if (s.threads && s.threads.some((t) => t >= threads.length))
    s.threads = null;
  return s;
}
