// SPDX-License-Identifier: BSD-2-Clause
// The last of the page's scripts: everything is defined.

(() => {
  const json = JSON.parse(document.getElementById('data').textContent);
  window.tprof = new App(new Model(json));
  performance.mark('tprof-shown');
})();
