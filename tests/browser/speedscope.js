// SPDX-License-Identifier: BSD-2-Clause
// node speedscope.js SPEEDSCOPE FILE.json [OUT.png]: opens the file in speedscope (the directory of the
// npm package) as its own command does, in the sandwich view, and prints the text of that page.

'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Chrome } = require('./chrome.js');

async function main() {
  const [speedscope, file, picture] = process.argv.slice(2);
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'speedscope-'));
  const script = path.join(dir, 'load.js');
  fs.writeFileSync(script, `speedscope.loadFileFromBase64(${JSON.stringify(path.basename(file))}, ` +
    `${JSON.stringify(fs.readFileSync(file).toString('base64'))})`);
  const chrome = await Chrome.start();
  try {
    const page = await chrome.page();
    await page.open(path.join(speedscope, 'dist/release/index.html'), `#view=sandwich&localProfilePath=${script}`);
    await page.run(`new Promise((done, fail) => {
      setTimeout(() => fail(new Error('speedscope shows nothing: ' + document.body.innerText.slice(0, 500))), 20000);
      const look = () => (document.querySelector('table') ? done(0) : setTimeout(look, 20));
      look();
    })`);
    if (picture)
      await page.screenshot(picture);
    console.log(await page.run('document.body.innerText'));
  } finally {
    await chrome.stop();
    fs.rmSync(dir, { recursive: true });
  }
}

main().catch((e) => {
  console.error(e.message);
  process.exitCode = 1;
});
