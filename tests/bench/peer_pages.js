// SPDX-License-Identifier: BSD-2-Clause
// node peer_pages.js RUNS [svg FILE.svg] [speedscope PACKAGE FILE.json]: how fast other flame graphs are in the browser
// that speed.js measures ours in, as one line of JSON. Medians, in ms, from the navigation until drawn:
// svg         until the file is loaded and drawn
// speedscope  as its own command opens a file, until its flame chart has drawn for the first time

'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Chrome } = require('../browser/chrome.js');

function median(list) {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
}

const TWO_FRAMES = 'new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => r(performance.now()))))';

async function svg(page, file) {
  await page.open(file);
  const shown = await page.run(TWO_FRAMES);
  return { svg: shown };
}

async function speedscope(page, dir, file, tmp) {
  const script = path.join(tmp, 'load.js');
  if (!fs.existsSync(script))
    fs.writeFileSync(script, `speedscope.loadFileFromBase64(${JSON.stringify(path.basename(file))}, ` +
      `${JSON.stringify(fs.readFileSync(file).toString('base64'))})`);
  await page.open(path.join(dir, 'dist/release/index.html'), `#view=left-heavy&localProfilePath=${script}`);
  const shown = await page.run(`new Promise((done, fail) => {
    const late = performance.now() + 25000;
    const look = () => {
      // the view names its profile once it is drawn
      if (document.querySelectorAll('canvas').length && /many|worker|on-CPU/.test(document.body.innerText) &&
          !/Loading|Drop/.test(document.body.innerText))
        requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
      else if (performance.now() > late)
        fail(new Error('speedscope shows nothing: ' + document.body.innerText.slice(0, 300)));
      else
        setTimeout(look, 5);
    };
    look();
  })`);
  return { speedscope: shown };
}

async function main() {
  const [runs, ...rest] = process.argv.slice(2);
  const tmp = fs.mkdtempSync(path.join(os.tmpdir(), 'peers-'));
  const chrome = await Chrome.start();
  const all = {};
  try {
    for (let i = 0; i < Number(runs); i++) {
      for (let a = 0; a < rest.length;) {
        const page = await chrome.page();
        const isSvg = rest[a] === 'svg';
        const result = isSvg ? await svg(page, rest[a + 1]) : await speedscope(page, rest[a + 1], rest[a + 2], tmp);
        for (const [key, value] of Object.entries(result))
          (all[key] = all[key] || []).push(value);
        await page.close();
        a += isSvg ? 2 : 3;
      }
    }
  } finally {
    await chrome.stop();
    fs.rmSync(tmp, { recursive: true });
  }
  for (const key of Object.keys(all))
    all[key] = Number(median(all[key]).toFixed(1));
  console.log(JSON.stringify(all));
}

main().catch((e) => {
  console.error(e.message);
  process.exitCode = 1;
});
