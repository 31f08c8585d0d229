// SPDX-License-Identifier: BSD-2-Clause
// node speed.js PAGE.html [RUNS]: how fast a page is, as one line of JSON. Medians, in ms:
// shown    from the navigation to the first drawn flame graph
// zoom     from a click on a frame to the next frame on the screen, search, kinds … alike
// Frames are of the browser at 60 Hz: below 17 ms nothing is late.

'use strict';

const { Chrome } = require('./chrome.js');

function median(list) {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
}

// Runs `action` in the page; how long until the browser has painted what it did.
function timed(page, action) {
  return page.run(`new Promise((done) => {
    requestAnimationFrame(() => {
      const start = performance.now();
      ${action};
      tprof.views.flame.draw();
      const drawn = performance.now() - start;
      requestAnimationFrame(() => done(drawn));
    });
  })`);
}

async function measure(page, file) {
  await page.open(file);
  const shown = await page.run("performance.getEntriesByName('tprof-shown')[0].startTime");
  const frames = await page.run('tprof.model.tree.parent.length - 1');
  const zooms = [];
  for (let i = 0; i < 10; i++) {
    zooms.push(await timed(page, `{ const t = tprof.views.flame.tree; let n = 1 + Math.floor(t.count * ${i} / 10);
      while (t.depth[n] > 3) n = t.parent[n]; tprof.select(tprof.views.flame, n); }`));
    await timed(page, 'tprof.resetAll()');
  }
  const search = await timed(page, "tprof.set({ query: 'function_1' }, true)");
  const regroup = await timed(page, 'tprof.set({ hideKernel: true })');
  return { frames, shown, zoom: median(zooms), search, regroup };
}

async function main() {
  const [file, runs] = process.argv.slice(2);
  const chrome = await Chrome.start();
  const all = [];
  for (let i = 0; i < Number(runs || 5); i++) {
    const page = await chrome.page();
    all.push(await measure(page, file));
    await page.close();
  }
  await chrome.stop();
  const result = {};
  for (const key of Object.keys(all[0]))
    result[key] = Number(median(all.map((r) => r[key])).toFixed(1));
  console.log(JSON.stringify(result));
}

main();
