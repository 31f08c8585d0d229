// SPDX-License-Identifier: BSD-2-Clause
// node check.js DIR: the checks of page.bats, each in a page of its own of one browser. What went wrong
// is written to DIR/NAME.result, "ok" when nothing did.

'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { Chrome } = require('./chrome.js');

// What the page shows, as a person would read it off.
const READ = `({
  crumbs: [...document.querySelectorAll('#crumbs li')].map((e) => e.textContent),
  matched: document.getElementById('matched').textContent,
  kind: document.querySelector('#kinds [aria-pressed=true]').dataset.kind,
  layout: document.querySelector('#layouts [aria-pressed=true]').textContent,
  tip: document.getElementById('tip').hidden ? '' : document.getElementById('tip').innerText,
  table: [...document.querySelectorAll('.table-row')]
    .map((r) => [r.querySelector('bdi').textContent, ...[...r.querySelectorAll('.table-cell')].map((c) => c.textContent)].join(' | ')),
  empty: document.getElementById('empty').hidden ? '' : document.getElementById('empty').textContent,
  quality: document.getElementById('quality').textContent,
  chips: [...document.querySelectorAll('.chip')].map((e) => e.textContent),
  findings: [...document.querySelectorAll('.finding b')].map((e) => e.textContent),
})`;

// Where a frame lies on the screen: the widest of this name in a view.
const WHERE = (name, view) => `(() => {
  const v = window.tprof.views['${view}'];
  let best = -1;
  for (let i = 0; i < v.tree.count; i++)
    if (window.tprof.model.labels[v.tree.label[i]].text === ${JSON.stringify(name)} && (best < 0 || v.tree.width[i] > v.tree.width[best]))
      best = i;
  if (best < 0)
    return null;
  const b = v.box4(best);
  const c = v.canvas.getBoundingClientRect();
  return { x: c.left + (b.left + b.right) / 2, y: c.top + b.top + 8, width: b.right - b.left };
})()`;

class Reader {
  constructor(page) {
    this.page = page;
  }

  read() {
    return this.page.run(READ);
  }

  async where(name, view = 'flame') {
    const place = await this.page.run(WHERE(name, view));
    assert.ok(place, `no frame ${name} in ${view}`);
    return place;
  }

  async click(name, button = 'left', view = 'flame') {
    const { x, y } = await this.where(name, view);
    await this.page.click(x, y, button);
  }

  press(selector) {
    return this.page.run(`document.querySelector(${JSON.stringify(selector)}).click()`)
      .then(() => this.page.settle());
  }

  names(view = 'flame') {
    return this.page.run(`Array.from(tprof.views['${view}'].tree.label, (l) => tprof.model.labels[l].text)`);
  }

  // The colour at the middle of a frame, off its text.
  async colour(name) {
    const { x, y, width } = await this.where(name);
    return this.page.run(`(() => {
      const v = tprof.views.flame;
      const c = v.canvas.getBoundingClientRect();
      return [...v.context.getImageData(${x} + ${width} / 2 - 4 - c.left, ${y} - c.top, 1, 1).data].slice(0, 3);
    })()`);
  }
}

const checks = {
  async opens(page, r, file) {
    const seen = await r.read();
    assert.equal(seen.kind, 'cpu');
    assert.deepEqual(seen.crumbs, ['all']);
    assert.match(seen.quality, /95\.0 % of 100 on-CPU stacks complete/);
    assert.match(seen.quality, /5 truncated/);
    assert.match(seen.quality, /nothing lost/);
    assert.match(seen.quality, /99 Hz \(cpu-clock\)/);
    assert.equal(seen.findings.length, 2);
    assert.ok(page.requests.every((u) => u.startsWith('file:')), `asks for ${page.requests}`);
    assert.match(fs.readFileSync(file, 'utf8'), /default-src 'none'/);
  },

  async tooltip(page, r) {
    const { x, y } = await r.where('parse');
    await page.mouse('mouseMoved', x, y);
    await page.settle();
    const { tip } = await r.read();
    assert.match(tip, /^parse\n/);
    assert.match(tip, /user · libparse\.so/);
    assert.match(tip, /45 samples \(454\.5 ms\) · 45\.0 %/);
    assert.match(tip, /self 10\.0 %/);
  },

  async zoom(page, r) {
    await r.click('parse');
    assert.deepEqual((await r.read()).crumbs, ['all', 'worker-*', 'main', 'parse']);
    assert.ok((await r.where('parse')).width > 900, 'the frame fills the page');
    await r.click('lex');
    assert.equal((await r.read()).crumbs.at(-1), 'lex');
    await r.press('#back');
    assert.equal((await r.read()).crumbs.at(-1), 'parse');
    await r.press('#crumbs li:nth-child(2) button');
    assert.deepEqual((await r.read()).crumbs, ['all', 'worker-*']);
    await r.press('#reset');
    assert.deepEqual((await r.read()).crumbs, ['all']);
  },

  async search(page, r) {
    await page.key('/');
    await page.type('parse');
    let seen = await r.read();
    assert.equal(seen.matched, 'matched 45.0 %');
    assert.deepEqual(seen.table, ['parse | 10.0 % | 45.0 %']);
    await page.key('Escape');
    seen = await r.read();
    assert.equal(seen.matched, '');
    await r.press('#regex');
    await page.key('/');
    await page.type('^(lex|send)$');
    assert.equal((await r.read()).matched, 'matched 65.0 %');
    await page.type('(');
    assert.equal((await r.read()).matched, 'matched 0 %');
    assert.ok(await page.run("document.getElementById('search').classList.contains('bad')"));
  },

  // A stack with two matches counts once.
  async search_once(page, r) {
    await page.key('/');
    await page.type('walk');
    assert.equal((await r.read()).matched, 'matched 20.0 %');
  },

  async highlight(page, r) {
    const before = await r.colour('send');
    await page.key('/');
    await page.type('send');
    await page.mouse('mouseMoved', 1, 1);
    assert.notDeepEqual(await r.colour('send'), before);
  },

  async kinds(page, r) {
    await r.press('[data-kind=lock]');
    let seen = await r.read();
    assert.equal(seen.kind, 'lock');
    assert.deepEqual(seen.table[0], 'pthread_mutex_lock | 100.0 % | 100.0 %');
    const { x, y } = await r.where('pthread_mutex_lock');
    await page.mouse('mouseMoved', x, y);
    await page.settle();
    assert.match((await r.read()).tip, /1\.50 s/);
    await page.key('1');
    assert.equal((await r.read()).kind, 'cpu');
    await r.press('[data-kind=wake]');
    seen = await r.read();
    assert.match(seen.empty, /Nothing was recorded for wake-ups/);
  },

  async layouts(page, r) {
    let all = await r.where('all');
    const bottom = await page.run("document.getElementById('flame').getBoundingClientRect().bottom");
    assert.ok(all.y < bottom && all.y > bottom - 30, 'the root is seen, at the bottom');
    let lex = await r.where('lex');
    assert.ok(all.y > lex.y, 'a flame grows up');
    await page.key('i');
    all = await r.where('all');
    lex = await r.where('lex');
    assert.ok(all.y < lex.y, 'an icicle grows down');
    assert.equal((await r.read()).layout, 'Icicle');
  },

  async threads(page, r) {
    const group = async (value) => {
      await page.run(`(() => { const s = document.getElementById('group'); s.value = '${value}'; s.dispatchEvent(new Event('change')); })()`);
      return r.names();
    };
    assert.ok((await r.names()).includes('worker-*'));
    assert.ok((await group('name')).includes('worker-1'));
    assert.ok((await group('thread')).includes('worker-2-2'));
    const merged = await group('none');
    assert.ok(!merged.some((n) => n.startsWith('worker')));
    assert.equal(merged.filter((n) => n === 'main').length, 1);
  },

  async simplify(page, r) {
    await page.key('k');
    assert.ok(!(await r.names()).includes('tcp_send'));
    await page.key('k');
    assert.equal((await r.names()).filter((n) => n === 'walk').length, 3);
    await page.key('r');
    assert.equal((await r.names()).filter((n) => n === 'walk').length, 1);
    await page.key('m');
    const modules = await r.names();
    assert.ok(modules.includes('libparse.so') && modules.includes('[kernel]'));
    assert.ok(!modules.includes('parse'));
  },

  async sandwich(page, r) {
    await r.click('parse', 'right');
    await page.run("[...document.querySelectorAll('#menu button')].find((b) => b.textContent === 'Callers and callees').click()");
    await page.settle();
    assert.equal((await r.read()).layout, 'Sandwich');
    assert.deepEqual((await r.names('callees')).sort(), ['lex', 'parse', 'peek']);
    assert.deepEqual(await r.names('callers'), ['parse', 'main', 'worker-*']);
    assert.equal(await page.run("document.getElementById('sandwichShare').textContent"), 'total 45.0 %, self 10.0 %');
    await page.key('Escape');
    assert.equal((await r.read()).layout, 'Flame');
  },

  async table(page, r) {
    assert.equal((await r.read()).table[0], 'tcp_send | 30.0 % | 30.0 %');
    await r.press('[data-sort=total]');
    assert.equal((await r.read()).table[0], 'main | 0 % | 95.0 %');
    await r.press('[data-sort=name]');
    assert.match((await r.read()).table[0], /^blit/);
    await r.press('.table-row');
    assert.equal((await r.read()).matched, 'matched 5.00 %');
  },

  async timeline(page, r) {
    const box = await page.run("(() => { const b = document.querySelector('#timeline canvas').getBoundingClientRect(); return { x: b.left, y: b.top, w: b.width }; })()");
    const at = (t) => box.x + 190 + (t / 2) * (box.w - 198);
    await page.mouse('mouseMoved', at(1.1), box.y + 30);
    await page.mouse('mousePressed', at(1.1), box.y + 30, 'left');
    await page.mouse('mouseMoved', at(1.8), box.y + 30, 'left');
    await page.mouse('mouseReleased', at(1.8), box.y + 30, 'left');
    await page.settle();
    let seen = await r.read();
    assert.deepEqual(seen.chips, ['1.0–2.0 s ×']);
    assert.deepEqual(seen.table[0], 'peek | 100.0 % | 100.0 %');
    await r.press('.chip');
    await page.click(box.x + 40, box.y + 16 + 34 + 8); // the busiest thread's name
    seen = await r.read();
    assert.deepEqual(seen.chips, ['worker-1-1 ×']);
    assert.deepEqual(seen.table.length, 4);
  },

  async keyboard(page, r) {
    await page.run("document.querySelector('#flame canvas').focus()");
    for (const key of ['ArrowUp', 'ArrowUp', 'ArrowUp'])
      await page.key(key);
    let seen = await r.read();
    assert.match(seen.tip, /^parse\n/);
    assert.match(await page.run("document.getElementById('said').textContent"), /^parse, /);
    await page.key('Enter', '\r');
    seen = await r.read();
    assert.equal(seen.crumbs.at(-1), 'parse');
    await page.key('s');
    assert.equal((await r.read()).layout, 'Sandwich');
    await page.key('Backspace');
    assert.equal((await r.read()).crumbs.at(-1), 'parse');
    await page.key('Escape');
    assert.deepEqual((await r.read()).crumbs, ['all']);
    await page.key('?');
    assert.ok(await page.run("document.getElementById('keys').open"));
  },

  async copy(page, r, file) {
    await page.chrome.send('Browser.grantPermissions', { permissions: ['clipboardReadWrite', 'clipboardSanitizedWrite'] });
    await page.open(file);
    await r.click('lex', 'right');
    await page.run("[...document.querySelectorAll('#menu button')].find((b) => b.textContent === 'Copy stack').click()");
    await page.settle();
    assert.equal(await page.run('navigator.clipboard.readText()'), 'worker-*\nmain\nparse\nlex');
  },

  async deep_link(page, r, file) {
    await r.click('lex');
    await page.key('i');
    const hash = await page.run('location.hash');
    assert.match(hash, /zoom=/);
    await page.open(file, '#');
    await page.open(file, hash);
    const seen = await r.read();
    assert.deepEqual(seen.crumbs, ['all', 'worker-*', 'main', 'parse', 'lex']);
    assert.equal(seen.layout, 'Icicle');
    await page.open(file, '#kind=none&zoom=zz.yy&range=9-1&threads=999&group=x&layout=q');
    assert.deepEqual((await r.read()).crumbs, ['all']);
  },

  async finding(page, r) {
    await r.press('.finding .link');
    assert.equal((await r.read()).crumbs.at(-1), 'lex');
  },

  async colours(page, r) {
    const seen = {};
    for (const name of ['parse', 'tcp_send', 'draw', 'peek'])
      seen[name] = await r.colour(name);
    const hottest = (c) => ['red', 'green', 'blue'][c.indexOf(Math.max(...c))];
    assert.equal(hottest(seen.parse), 'red');
    assert.equal(hottest(seen.tcp_send), 'blue');
    assert.equal(hottest(seen.draw), 'green');
    const legend = await page.run("document.getElementById('legend').innerText");
    for (const word of ['user', 'kernel', 'JIT', 'inlined', 'truncated'])
      assert.ok(legend.includes(word), `the legend names ${word}`);
    await page.key('d');
    assert.equal(await page.run('document.documentElement.dataset.theme'), 'dark');
    assert.notDeepEqual(await r.colour('parse'), seen.parse);
  },

  async print(page, r) {
    await page.run("window.dispatchEvent(new Event('beforeprint'))");
    await page.send('Emulation.setEmulatedMedia', { media: 'print' });
    await page.settle();
    assert.equal(await page.run("getComputedStyle(document.getElementById('tools')).display"), 'none');
    assert.ok((await r.where('lex')).y > 0);
    const { data } = await page.send('Page.printToPDF', { printBackground: true });
    assert.ok(data.length > 5000);
  },

  async hostile(page, r) {
    const seen = await r.read();
    assert.equal(await page.run('typeof pwned'), 'undefined');
    assert.equal(await page.run("document.querySelectorAll('img, svg, script').length"), 2);
    assert.equal(await page.run('document.title'), '<img src=x onerror=pwned=1> (100) – tprof');
    assert.equal(seen.findings[0], '</script><script>pwned=1</script>');
    const names = await r.names();
    assert.ok(names.includes('<img src=x onerror=pwned=1>'));
    assert.ok(names.includes('\\xe2\\x80\\xaetxt.exe\\xe2\\x81\\xa6'), 'bidi marks are shown, not obeyed');
    assert.ok(names.some((n) => n.startsWith('bell\\x07esc\\x1b')));
    assert.ok(names.some((n) => n.startsWith('bad\\xff\\xfe')));
    for (const name of names.slice(1, 12)) {
      const { x, y } = await r.where(name);
      await page.mouse('mouseMoved', x, y);
      await page.click(x, y, 'right');
      await page.key('Escape');
    }
    assert.equal(await page.run('typeof pwned'), 'undefined');
  },

  // The same names in a comparison: in the page, its table, tooltips, chips, findings.
  async hostile_diff(page, r) {
    assert.match(await page.run("document.getElementById('title').textContent"), /^<img src=x onerror=pwned=1>/);
    for (const name of (await r.names()).slice(1, 12)) {
      const { x, y } = await r.where(name);
      await page.mouse('mouseMoved', x, y);
      await page.settle();
    }
    for (const row of [0, 1, 2])
      await page.run(`tprof.openSandwich(tprof.table.rows[${row}])`);
    await page.run('tprof.set({ threads: [0, 1] })');
    assert.equal(await page.run('typeof pwned'), 'undefined');
    assert.equal(await page.run("document.querySelectorAll('img, svg, script').length"), 2);
  },

  async empty_diff(page, r) {
    assert.match((await r.read()).empty, /Nothing was recorded for on-CPU/);
    for (const key of ['s', 'i', '3'])
      await page.key(key);
  },

  async empty(page, r) {
    assert.match((await r.read()).empty, /Nothing was recorded for on-CPU/);
    for (const key of ['i', 's', 'f', 'k', '2', 'ArrowUp'])
      await page.key(key);
    await page.click(500, 600);
  },

  async large(page, r) {
    const frames = await page.run('tprof.model.tree.parent.length');
    assert.ok(frames >= 100000, `${frames} frames`);
    await page.key('/');
    await page.type('handler_7');
    assert.match((await r.read()).matched, /matched \d/);
    await page.key('Escape');
    await r.click('main');
    assert.equal((await r.read()).crumbs.at(-1), 'main');
    await page.key('s');
  },

  // draw has grown from 20 to 90 a second, walk below it is gone, send has stayed.
  async diff(page, r) {
    assert.match(await page.run("document.getElementById('title').textContent"), /B against A/);
    const names = await r.names();
    assert.ok(names.includes('walk') && names.includes('draw'), 'what is gone is still to be seen');
    const grown = await r.colour('draw');
    assert.ok(grown[0] > grown[2] + 40, `grown is red, not ${grown}`);
    const gone = await r.colour('walk');
    assert.ok(gone[2] > gone[0] + 40, `gone is blue, not ${gone}`);
    const same = await r.colour('send');
    assert.ok(Math.max(...same) - Math.min(...same) < 12, `what is within chance is grey, not ${same}`);
    const width = async () => Math.round((await r.where('walk')).width);
    assert.ok(await width() > 50);
    await r.press('#sides button:nth-child(2)'); // B
    assert.equal(await width(), 0);
    await r.press('#sides button:nth-child(3)'); // A
    assert.ok(await width() > 50);
    assert.ok((await r.read()).table[0].startsWith('draw | +'));
    assert.match((await r.read()).quality, /A scaled by 1\.000 \(by time\)/);
    await r.click('draw', 'right');
    await page.key('Escape');
    await page.key('s');
  },

  // Every function of the list has the verdict that `tprof diff --json` gives it, in its order.
  async diff_verdicts(page, r, file) {
    const json = JSON.parse(fs.readFileSync(path.join(path.dirname(file), 'diff.json')));
    const verdicts = await page.run(`tprof.table.rows.map((l) => [tprof.model.labels[l].text,
      tprof.table.certain('self', l), tprof.table.certain('total', l)])`);
    assert.ok(verdicts.length >= 4);
    assert.deepEqual(verdicts, json.functions.slice(0, verdicts.length)
      .map((f) => [f.name, f.self.significant, f.total.significant]));
  },

  // Half of B's time stands against half of A: what is steady stays grey, what has grown red.
  async diff_range(page, r) {
    await page.run('tprof.set({ range: [0, 4] })');
    await page.settle();
    const [grown, same] = [await r.colour('draw'), await r.colour('send')];
    assert.ok(grown[0] > grown[2] + 40, `grown is red, not ${grown}`);
    assert.ok(Math.max(...same) - Math.min(...same) < 12, `what is within chance is grey, not ${same}`);
    await page.run("tprof.set({ range: null, threads: [tprof.model.profiles[0].threads.findIndex((t) => t.comm === 'ui')] })");
    await page.settle();
    assert.deepEqual((await r.names()).slice(0, 3), ['all', 'ui', 'main']);
    assert.ok((await r.where('walk')).width > 50, "A's thread of that name stays");
  },

  async svg(page) {
    assert.equal(await page.run('typeof pwned'), 'undefined');
    assert.equal(await page.run("document.querySelectorAll('script, img, [onload], [onerror]').length"), 0);
    const titles = await page.run("[...document.querySelectorAll('g title')].map((t) => t.textContent)");
    assert.ok(titles.some((t) => t.startsWith('<img src=x onerror=pwned=1>')));
  },
};

// Pages other than known.html.
const PAGES = { hostile: 'hostile.html', svg: 'hostile.svg', empty: 'empty.html', large: 'many.html', diff: 'diff.html',
  hostile_diff: 'hostile_diff.html', empty_diff: 'empty_diff.html', diff_verdicts: 'diff.html', diff_range: 'diff.html' };

async function check(chrome, name, file) {
  const page = await chrome.page();
  try {
    await page.open(file);
    await checks[name](page, new Reader(page), file);
    assert.deepEqual(page.errors, [], 'the console holds errors');
    return 'ok';
  } catch (e) {
    return e.stack;
  } finally {
    await page.close();
  }
}

async function main() {
  const dir = process.argv[2];
  const chrome = await Chrome.start();
  for (const name of Object.keys(checks)) {
    const result = await check(chrome, name, path.join(dir, PAGES[name] || 'known.html'));
    fs.writeFileSync(path.join(dir, `${name}.result`), `${result}\n`);
  }
  await chrome.stop();
}

main();
