// SPDX-License-Identifier: BSD-2-Clause
// node tour.js FILE.tprof PAGE.html: works every control of a page as a person does, with mouse and
// keyboard, and holds what it then shows against what `tprof export` says of the same recording. Prints
// a line for each control; exit status 1 when one is wrong. In the environment: TPROF.

'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { Chrome } = require('./chrome.js');

const [, , recording, file] = process.argv;
const KINDS = ['cpu', 'offcpu', 'lock', 'wake', 'spawn', 'runq'];

// Folded text as [{ thread, frames: [{ name, type }], n }].
function folded(kind, range = '') {
  const text = execFileSync(process.env.TPROF,
    ['export', recording + range, '--threads', '--kind', kind], { maxBuffer: 1 << 30, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return text.split('\n').filter(Boolean).map((line) => {
    const space = line.lastIndexOf(' ');
    const [thread, ...names] = line.slice(0, space).split(';');
    const frames = names.map((name) => {
      const suffix = /_\[([kij])\]$/.exec(name);
      return { name: suffix ? name.slice(0, -4) : name, type: suffix ? suffix[1] : 'u' };
    });
    return { thread, frames, n: Number(line.slice(space + 1)) };
  });
}

const sum = (stacks) => stacks.reduce((all, s) => all + s.n, 0);
const named = (stacks, f) => stacks.filter((s) => s.frames.some((frame) => f(frame.name)));

// Self and total by name, recursion once.
function functions(stacks) {
  const all = new Map();
  for (const { frames, n } of stacks) {
    new Set(frames.map((f) => f.name)).forEach((name) => {
      const f = all.get(name) || { self: 0, total: 0 };
      f.total += n;
      f.self += frames[frames.length - 1].name === name ? n : 0;
      all.set(name, f);
    });
  }
  return all;
}

// Microseconds are rounded at other places in the page.
function near(is, want, what) {
  assert.ok(Math.abs(is - want) <= 2 + want / 500, `${what}: ${is}, not ${want}`);
}

function nearPercent(text, share, what) {
  const is = text === '0 %' ? 0 : Number(/([\d.]+) %/.exec(text)[1]);
  assert.ok(Math.abs(is - 100 * share) <= 0.06 + share / 2, `${what}: ${text}, not ${(100 * share).toFixed(2)}`);
}

class Tour {
  constructor(page, stacks) {
    this.page = page;
    this.stacks = stacks;
    this.whole = sum(stacks.cpu);
    this.byName = functions(stacks.cpu);
    this.hot = [...this.byName].filter(([name]) => !name.startsWith('[')).sort((a, b) => b[1].self - a[1].self).map(([name]) => name);
  }

  run(expression) { return this.page.run(expression); }

  async press(selector) {
    const { x, y } = await this.run(`(() => { const b = document.querySelector(${JSON.stringify(selector)});
      b.scrollIntoView({ block: 'nearest' }); const r = b.getBoundingClientRect();
      return { x: r.left + r.width / 2, y: r.top + r.height / 2 }; })()`);
    await this.page.click(x, y);
  }

  total() { return this.run('tprof.tree.total[0][0]'); }

  text(id) { return this.run(`document.getElementById('${id}').innerText`); }

  crumbs() { return this.run("[...document.querySelectorAll('#crumbs li')].map((e) => e.textContent)"); }

  chips() { return this.run("[...document.querySelectorAll('.chip')].map((e) => e.textContent)"); }

  labels(type) {
    return this.run(`[...new Set(Array.from(tprof.tree.label, (l) => tprof.model.labels[l])
      .filter((l) => ${type === undefined} || l.type === ${type}).map((l) => l.text))]`);
  }

  tops() {
    return this.run(`(() => { const t = tprof.tree, names = []; for (let i = 1; i < t.count; i = t.end[i])
      names.push(tprof.model.labels[t.label[i]].text); return names; })()`);
  }

  // A wide frame well inside of the graph: where it is, and what leads to it.
  frame() {
    return this.run(`(() => {
      const v = tprof.views.flame, t = v.tree, names = (i) => t.path(i).map((n) => tprof.model.labels[t.label[n]].text);
      for (let depth = 4; depth > 0; depth--) {
        let best = -1;
        for (let i = 0; i < t.count; i++)
          if (t.depth[i] === depth && (best < 0 || t.width[i] > t.width[best])) best = i;
        if (best < 0) continue;
        v.reveal(best); v.draw();
        const b = v.box4(best), c = v.canvas.getBoundingClientRect();
        return { x: c.left + (b.left + b.right) / 2, y: c.top + v.rowTop(depth) + 8, path: names(best), weight: t.total[0][best] };
      }
      return null;
    })()`);
  }

  async menu(item) {
    const { x, y } = await this.frame();
    await this.page.click(x, y, 'right');
    await this.run(`[...document.querySelectorAll('#menu button')].find((b) => b.textContent === '${item}').click()`);
    await this.page.settle();
  }
}

const stops = {
  async 'opens: no request, no error, findings on top'(t, page) {
    assert.ok(page.requests.every((u) => u.startsWith('file:')), `asks for ${page.requests}`);
    near(await t.total(), t.whole, 'samples');
    const json = JSON.parse(execFileSync(process.env.TPROF, ['report', '--json', recording], { maxBuffer: 1 << 30 }));
    assert.deepEqual(await t.run("[...document.querySelectorAll('.finding b')].map((e) => e.textContent)"),
      json.findings.map((f) => f.title));
  },

  async 'kinds: each has the sum of its stacks, or says that there are none'(t, page) {
    for (const [i, kind] of KINDS.entries()) {
      await page.key(String(i + 1));
      assert.equal(await t.run("document.querySelector('#kinds [aria-pressed=true]').dataset.kind"), kind);
      near(await t.total(), sum(t.stacks[kind]), kind);
      if (!t.stacks[kind].length)
        assert.match(await t.text('empty'), /Nothing was recorded/);
    }
    await t.press('[data-kind=cpu]');
    near(await t.total(), t.whole, 'cpu');
  },

  async 'table: self and total of the functions on top, sorted as asked'(t) {
    const rows = await t.run(`[...document.querySelectorAll('.table-row')].slice(0, 12).map((r) =>
      [r.querySelector('bdi').textContent, ...[...r.querySelectorAll('.table-cell')].map((c) => c.textContent)])`);
    assert.ok(rows.length > 3);
    const twice = new Set(rows.map((r) => r[0]).filter((name, i, all) => all.indexOf(name) !== i)); // in two modules
    for (const [name, self, total] of rows.filter((r) => !twice.has(r[0]))) {
      nearPercent(self, t.byName.get(name).self / t.whole, `self of ${name}`);
      nearPercent(total, t.byName.get(name).total / t.whole, `total of ${name}`);
    }
    await t.press('[data-sort=total]');
    const shares = await t.run("[...document.querySelectorAll('.table-row')].map((r) => parseFloat(r.lastChild.textContent) || 0)");
    assert.deepEqual(shares, [...shares].sort((a, b) => b - a));
    await t.press('[data-sort=self]');
  },

  async 'search: by text and by regular expression, the matched share'(t, page) {
    const [first, second] = t.hot;
    await page.key('/');
    await page.type(first);
    const low = first.toLowerCase();
    nearPercent(await t.text('matched'), sum(named(t.stacks.cpu, (n) => n.toLowerCase().includes(low))) / t.whole, first);
    await page.key('Escape');
    assert.equal(await t.text('matched'), '');
    await t.press('#regex'); // and the keys still work
    await page.key('/');
    const escape = (s) => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    await page.type(`^(${escape(first)}|${escape(second)})$`);
    nearPercent(await t.text('matched'), sum(named(t.stacks.cpu, (n) => n === first || n === second)) / t.whole, 'both');
    await page.key('Escape');
    await t.press('#regex');
  },

  async 'threads: each, by name, by pool, merged'(t) {
    const choose = async (value) => {
      await t.run(`(() => { const s = document.getElementById('group'); s.value = '${value}'; s.dispatchEvent(new Event('change')); })()`);
      near(await t.total(), t.whole, value);
      return (await t.tops()).sort();
    };
    const set = (f) => [...new Set(t.stacks.cpu.map(f))].sort();
    const name = (s) => s.thread.replace(/-\d+$/, '');
    assert.deepEqual(await choose('thread'), set((s) => s.thread));
    assert.deepEqual(await choose('name'), set(name));
    assert.deepEqual(await choose('none'), set((s) => s.frames[0].name));
    assert.deepEqual(await choose('pool'), set((s) => name(s).replace(/(?<=\D)\d+/g, '*')));
  },

  async 'hide kernel, fold recursion, by module'(t, page) {
    const kernel = 3;
    assert.ok((await t.labels(kernel)).length > 0);
    await page.key('k');
    assert.deepEqual(await t.labels(kernel), []);
    near(await t.total(), t.whole, 'without the kernel');
    await page.key('k');
    await page.key('r');
    assert.ok(await t.run('tprof.tree.label.every((l, i) => i < 2 || tprof.tree.label[tprof.tree.parent[i]] !== l)'));
    await page.key('r');
    await page.key('m');
    near(await t.total(), t.whole, 'by module');
    assert.ok(!(await t.labels()).includes(t.hot[0]));
    await t.press('#byModule');
    assert.ok((await t.labels()).includes(t.hot[0]));
  },

  async 'flame grows up, icicle down'(t, page) {
    const places = () => t.run('[0, 1].map((d) => tprof.views.flame.rowTop(d))');
    let [root, first] = await places();
    assert.ok(root > first);
    await page.key('i');
    [root, first] = await places();
    assert.ok(root < first);
    await page.key('f');
  },

  async 'sandwich: callers and callees have the function\'s total'(t, page) {
    await t.press('.table-row');
    await page.key('Escape');
    await t.run("document.querySelector('.table-row').dispatchEvent(new MouseEvent('dblclick', { bubbles: true }))");
    await page.settle();
    const name = await t.text('sandwichName');
    const { self, total } = t.byName.get(name);
    near(await t.run('tprof.views.callers.tree.total[0][0]'), total, `callers of ${name}`);
    near(await t.run('tprof.views.callees.tree.total[0][0]'), total, `callees of ${name}`);
    const share = await t.text('sandwichShare');
    nearPercent(share.split(',')[0], total / t.whole, 'total');
    nearPercent(share.split(',')[1], self / t.whole, 'self');
    await page.key('Escape');
  },

  async 'zoom, breadcrumb, back, reset'(t, page) {
    const { x, y, path } = await t.frame();
    await page.click(x, y);
    assert.deepEqual(await t.crumbs(), path);
    await t.press('#crumbs li:nth-child(2) button');
    assert.deepEqual(await t.crumbs(), path.slice(0, 2));
    await t.press('#back');
    assert.deepEqual(await t.crumbs(), path);
    await t.press('#reset');
    assert.deepEqual(await t.crumbs(), ['all']);
  },

  async 'tooltip'(t, page) {
    const { x, y, path, weight } = await t.frame();
    await page.mouse('mouseMoved', x, y);
    await page.settle();
    const tip = (await t.text('tip')).split('\n');
    assert.equal(tip[0], path.at(-1));
    nearPercent(tip.find((l) => / samples /.test(l)).split('·')[1], weight / t.whole, 'share');
  },

  async 'copy: name and stack'(t, page) {
    const { path } = await t.frame();
    await t.menu('Copy name');
    assert.equal(await t.run('navigator.clipboard.readText()'), path.at(-1));
    await t.menu('Copy stack');
    assert.equal(await t.run('navigator.clipboard.readText()'), path.slice(1).join('\n'));
    await page.key('Escape');
  },

  async 'timeline: a dragged range is that of FILE@range; a click chooses a thread'(t, page) {
    const windows = await t.run('tprof.timeline.windows');
    const { left, top, width } = await t.run("(({ left, top, width }) => ({ left, top, width }))(document.querySelector('#timeline canvas').getBoundingClientRect())");
    const last = windows.length - 1;
    const at = (time) => left + 190 + ((time - windows[0].start) / (windows[last].end - windows[0].start)) * (width - 198);
    const chosen = [windows[Math.min(1, last)], windows[Math.min(2, last)]];
    const ends = [chosen[0].start + 0.1, (chosen[1].start + chosen[1].end) / 2].map(at);
    await page.mouse('mouseMoved', ends[0], top + 30);
    await page.mouse('mousePressed', ends[0], top + 30, 'left');
    await page.mouse('mouseMoved', ends[1], top + 30, 'left');
    await page.mouse('mouseReleased', ends[1], top + 30, 'left');
    await page.settle();
    assert.equal((await t.chips()).length, 1);
    const ms = (time) => Math.max(0, Math.floor(time * 1000));
    near(await t.total(), sum(folded('cpu', `@${ms(chosen[0].start)}ms-${ms(chosen[1].start) + 2}ms`)), 'in the range');
    await t.press('.chip');
    await page.click(left + 40, top + 16 + 34 + 8);
    const [chip] = await t.chips();
    near(await t.total(), sum(t.stacks.cpu.filter((s) => `${s.thread} ×` === chip)), chip);
    await page.key('Escape');
    near(await t.total(), t.whole, 'after Esc');
  },

  async 'keyboard: arrows walk, Enter zooms, Backspace goes back, ? helps'(t, page) {
    await t.run("document.querySelector('#flame canvas').focus()");
    for (const key of ['ArrowUp', 'ArrowUp'])
      await page.key(key);
    const said = await t.run("document.getElementById('said').textContent");
    await page.key('Enter', '\r');
    assert.equal((await t.crumbs()).length, 3);
    assert.ok(said.startsWith(`${(await t.crumbs()).at(-1)}, `));
    await page.key('Backspace');
    assert.deepEqual(await t.crumbs(), ['all']);
    await page.key('?');
    assert.ok(await t.run("document.getElementById('keys').open"));
    await t.press('#keys button');
  },

  async 'a finding leads to its frame'(t, page) {
    const links = await t.run("document.querySelectorAll('.finding .link').length");
    for (let i = 0; i < links; i++) {
      await t.run(`document.querySelectorAll('.finding .link')[${i}].click()`);
      await page.settle();
      assert.ok((await t.crumbs()).length > 1, `finding ${i} leads nowhere`);
    }
    await page.key('Escape');
    await t.press('[data-kind=cpu]');
  },

  async 'dark, light, print'(t, page) {
    const theme = () => t.run('document.documentElement.dataset.theme');
    assert.equal(await theme(), 'light');
    await page.key('d');
    assert.equal(await theme(), 'dark');
    await t.press('#theme');
    assert.equal(await theme(), 'light');
    const { data } = await page.send('Page.printToPDF', { printBackground: true });
    assert.ok(data.length > 5000);
  },

  async 'deep link'(t, page) {
    const { x, y } = await t.frame();
    await page.click(x, y);
    await page.key('i');
    const before = await t.crumbs();
    const hash = await t.run('location.hash');
    await page.open(file);
    assert.deepEqual(await t.crumbs(), ['all']);
    await page.open(file, hash);
    assert.deepEqual(await t.crumbs(), before);
    assert.equal(await t.run("document.querySelector('#layouts [aria-pressed=true]').textContent"), 'Icicle');
  },
};

async function main() {
  const stacks = Object.fromEntries(KINDS.map((kind) => [kind, folded(kind)]));
  const chrome = await Chrome.start();
  const page = await chrome.page();
  await chrome.send('Browser.grantPermissions', { permissions: ['clipboardReadWrite', 'clipboardSanitizedWrite'] });
  await page.open(file);
  const tour = new Tour(page, stacks);
  for (const [name, stop] of Object.entries(stops)) {
    try {
      await page.run("document.activeElement.blur(); tprof.picked = -1; tprof.set({ ...DEFAULT_STATE, kind: 'cpu', group: tprof.model.group })");
      await page.settle();
      await stop(tour, page);
      assert.deepEqual(page.errors, [], 'the console holds errors');
      console.log(`ok ${name}`);
    } catch (e) {
      console.log(`not ok ${name}\n${e.stack}`);
      process.exitCode = 1;
    }
  }
  await chrome.stop();
}

main();
