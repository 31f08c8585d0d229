// SPDX-License-Identifier: BSD-2-Clause
// What stands around the graphs: title, kinds, findings, legend, the quality of the data, help.

const byId = (id) => document.getElementById(id);

function segment(text, title, pressed, action) {
  const b = element('button', '', text);
  b.title = title;
  b.setAttribute('aria-pressed', String(pressed));
  b.addEventListener('click', action);
  return b;
}

// "14.1 s", or the part of it that this page has: "9.0–14.0 s of 14.1 s".
function timeText(p) {
  const n = p.windows.length;
  if (!n || (p.windows[0].start < 0.05 && p.windows[n - 1].end > p.seconds - 0.05))
    return formatSeconds(p.seconds);
  return `${p.windows[0].start.toFixed(1)}–${p.windows[n - 1].end.toFixed(1)} s of ${formatSeconds(p.seconds)}`;
}

function aboutText(p) {
  const parts = [];
  if (p.target)
    parts.push(p.target);
  parts.push(timeText(p));
  if (p.start)
    parts.push(p.start.replace('T', ' '));
  if (p.host)
    parts.push(`${p.host}, ${p.cpus} CPUs, Linux ${p.kernel}`);
  return parts.join('  ·  ');
}

function drawHeader(model) {
  const [p, base] = model.profiles;
  document.title = `${model.title} – tprof`;
  byId('title').textContent = base ? `${model.title}: B against A` : model.title;
  byId('about').textContent = base
    ? `A ${base.file} (${base.start.replace('T', ' ')})  ·  B ${p.file} (${p.start.replace('T', ' ')})`
    : aboutText(p);
  byId('about').title = [p, base].filter(Boolean).map(aboutText).join('\n');
}

function kindTotal(model, kind) {
  const p = model.profiles[0];
  const total = p.kinds[kind.name] ? p.kinds[kind.name].weight : 0;
  if (kind.name === 'cpu' && p.hz)
    return formatSeconds(total / p.hz);
  return kind.unit === 'µs' ? formatSeconds(total / 1e6) : formatNumber(total);
}

function drawKinds(model, chosen, choose) {
  const buttons = model.kinds.map((kind) => {
    const recorded = model.recorded(kind.name);
    const b = segment(kind.title, recorded ? kind.about : `${kind.about}: none recorded`,
      kind.name === chosen, () => choose(kind.name));
    b.dataset.kind = kind.name;
    if (recorded)
      b.append(element('small', '', kindTotal(model, kind)));
    else
      b.classList.add('none');
    return b;
  });
  byId('kinds').replaceChildren(...buttons);
}

// Of a comparison both sides', told apart: the same finding says the same but for its numbers.
function findingsOf(model) {
  const [mine, before] = model.profiles.map((p) => p.findings);
  const key = (f) => `${f.id} ${f.title.split(': ')[0].replace(/\d+(\.\d+)?/g, '')}`;
  if (!before || !model.whole)
    return mine;
  const then = new Set(before.map(key));
  const now = new Set(mine.map(key));
  return [
    ...mine.map((f) => (then.has(key(f)) ? f : { ...f, news: 'new in B' })),
    ...before.filter((f) => !now.has(key(f))).map((f) => ({ ...f, node: 0, news: 'gone in B' })),
  ];
}

function drawFindings(model, open) {
  const cards = findingsOf(model).map((f) => {
    const card = element('details', `finding ${f.news === 'gone in B' ? 'gone' : f.severity}`);
    const head = element('summary');
    if (f.news)
      head.append(element('i', 'news', f.news));
    head.append(element('b', '', f.title));
    card.append(head);
    if (f.advice)
      card.append(element('p', '', f.advice));
    if (f.node) {
      const show = element('button', 'link', 'Show in the graph');
      show.addEventListener('click', () => open(f));
      card.append(show);
    }
    head.title = `${f.severity}: ${f.id}`;
    return card;
  });
  byId('findings').hidden = !cards.length;
  byId('findings').replaceChildren(...cards);
}

function drawLegend(model, theme, side) {
  const items = [];
  const item = (colour, text) => {
    const span = element('span', 'legend-item');
    const swatch = element('i', 'swatch');
    swatch.style.background = colour;
    span.append(swatch, text);
    items.push(span);
    return swatch;
  };
  if (model.diff && side === 'change') {
    item(theme.change(1), 'grown in B');
    item(theme.change(0), 'same, or within chance');
    item(theme.change(-1), 'shrunk in B');
    items.push(element('span', 'legend-item', 'width: the larger of A and B'));
  } else {
    const types = new Set(model.labels.map((l) => l.type));
    const names = { user: 'user', kernel: 'kernel', jit: 'JIT', inline: 'inlined', mark: 'truncated stack' };
    for (const [key, text] of Object.entries(names)) {
      if (!types.has(TYPE[key]))
        continue;
      const swatch = item('', text);
      swatch.style.background = theme.typeColour(TYPE[key]);
      swatch.classList.toggle('hatched', key === 'mark');
    }
  }
  byId('legend').replaceChildren(...items);
}

// Completeness, losses, how it was sampled: what one must know before trusting a share.
function qualityText(model, kind) {
  const p = model.profiles[0];
  const k = p.kinds[kind.name] || { complete: 0, truncated: 0 };
  const all = k.complete + k.truncated;
  const parts = [];
  if (all)
    parts.push(`${formatPercent(k.complete, all)} of ${formatNumber(all)} ${kind.title} stacks complete`);
  if (k.truncated)
    parts.push(`${formatNumber(k.truncated)} truncated`);
  const lost = Object.entries(p.losses).filter(([, n]) => n > 0);
  parts.push(lost.length ? `lost: ${lost.map(([name, n]) => `${name} ${formatNumber(n)}`).join(', ')}`
    : 'nothing lost');
  if (p.hz)
    parts.push(`sampled at ${p.hz} Hz (${p.event})`);
  if (p.share < 1 && kind.name !== 'cpu' && kind.name !== 'spawn')
    parts.push(`stacks of ${formatPercent(p.share, 1)} of the events, weighted`);
  if (model.normalize)
    parts.push(`A scaled by ${model.scale(1, kind.name).toFixed(3)} (by ${model.normalize})`);
  parts.push(`tprof ${model.version}`);
  return [parts.join('  ·  '), ...p.notes].join('\n');
}

const KEY_HELP = [
  ['← → ↑ ↓', 'walk through the frames'],
  ['Enter', 'zoom to the frame'],
  ['Backspace', 'back to what was shown before'],
  ['Esc', 'clear the search, then show everything'],
  ['/', 'search'],
  ['s', 'callers and callees of the frame'],
  ['c', 'copy the name of the frame'],
  ['f  i', 'flame (grows up), icicle (grows down)'],
  ['1 … 6', 'on-CPU, off-CPU, lock, …'],
  ['k  r  m', 'hide kernel, fold recursion, by module'],
  ['t', 'list of functions'],
  ['d', 'dark or light'],
];

function drawKeys() {
  const list = element('dl');
  for (const [key, text] of KEY_HELP)
    list.append(element('dt', '', key), element('dd', '', text));
  const close = element('button', '', 'Close');
  close.addEventListener('click', () => byId('keys').close());
  byId('keys').replaceChildren(element('h2', '', 'Keys'), list,
    element('p', '', 'The address of this page keeps the view: copy it to share a zoom. A right click on a frame offers more.'), close);
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}

function showTip(lines, x, y) {
  const tip = byId('tip');
  tip.hidden = !lines.length;
  if (!lines.length)
    return;
  tip.replaceChildren(...lines.map((line, i) => element('div', i ? '' : 'tip-name', line)));
  const { width, height } = tip.getBoundingClientRect();
  const left = x + 14 + width > window.innerWidth ? x - width - 10 : x + 14;
  const top = y + 18 + height > window.innerHeight ? y - height - 10 : y + 18;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

function showMenu(items, x, y) {
  const menu = byId('menu');
  menu.replaceChildren(...items.map(([text, action]) => {
    const li = element('li');
    const b = element('button', '', text);
    b.addEventListener('click', () => {
      menu.hidden = true;
      action();
    });
    li.append(b);
    return li;
  }));
  menu.hidden = false;
  const { width, height } = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(4, Math.min(x, window.innerWidth - width - 8))}px`;
  menu.style.top = `${Math.max(4, Math.min(y, window.innerHeight - height - 8))}px`;
  menu.querySelector('button').focus();
}
