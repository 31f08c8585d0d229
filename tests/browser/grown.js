// SPDX-License-Identifier: BSD-2-Clause
// node grown.js DIFF.html: the function at the top of a differential page's list.

'use strict';

const { Chrome } = require('./chrome.js');

async function main() {
  const chrome = await Chrome.start();
  try {
    const page = await chrome.page();
    await page.open(process.argv[2]);
    console.log(await page.run("document.querySelector('.table-row bdi').textContent"));
    process.exitCode = page.errors.length ? 1 : 0;
  } finally {
    await chrome.stop();
  }
}

main();
