// SPDX-License-Identifier: BSD-2-Clause
// node screenshot.js PAGE.html OUT.png [dark] [#hash] [WIDTHxHEIGHT]: a picture of a page.

'use strict';

const { Chrome } = require('./chrome.js');

async function main() {
  const [file, out, ...options] = process.argv.slice(2);
  const size = (options.find((o) => /^\d+x\d+$/.test(o)) || '1440x900').split('x').map(Number);
  const chrome = await Chrome.start();
  try {
    const page = await chrome.page({ dark: options.includes('dark'), width: size[0], height: size[1] });
    await page.open(file, options.find((o) => o.startsWith('#')) || '');
    await page.screenshot(out);
    for (const error of page.errors)
      console.error(`${file}: ${error}`);
    process.exitCode = page.errors.length ? 1 : 0;
  } finally {
    await chrome.stop();
  }
}

main();
