// SPDX-License-Identifier: BSD-2-Clause
// Drives a headless Chromium over its debugging pipe (descriptors 3 and 4; messages end in NUL).

'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const FLAGS = [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--disable-extensions', '--hide-scrollbars', '--remote-debugging-pipe',
];
const TIMEOUT_MS = 30000;

class Chrome {
  static async start() {
    const chrome = new Chrome();
    chrome.profile = fs.mkdtempSync(path.join(os.tmpdir(), 'tprof-chrome-'));
    chrome.process = spawn(process.env.CHROMIUM || 'chromium',
      [...FLAGS, `--user-data-dir=${chrome.profile}`, 'about:blank'],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    chrome.waiting = new Map();
    chrome.listeners = [];
    chrome.last = 0;
    chrome.rest = '';
    chrome.process.stdio[4].on('data', (data) => chrome.receive(data.toString()));
    chrome.exited = new Promise((resolve) => { chrome.process.on('exit', resolve); });
    chrome.process.on('error', (e) => chrome.fail(new Error(`cannot start chromium: ${e.message}`)));
    chrome.exited.then(() => chrome.fail(new Error('chromium has exited')));
    return chrome;
  }

  fail(error) {
    for (const { reject } of this.waiting.values())
      reject(error);
    this.waiting.clear();
  }

  receive(text) {
    const parts = (this.rest + text).split('\0');
    this.rest = parts.pop();
    for (const part of parts) {
      const message = JSON.parse(part);
      const call = this.waiting.get(message.id);
      if (call) {
        this.waiting.delete(message.id);
        if (message.error)
          call.reject(new Error(message.error.message));
        else
          call.resolve(message.result);
      }
      for (const listener of message.id ? [] : [...this.listeners])
        listener(message);
    }
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.waiting.delete(id);
        reject(new Error(`${method}: no answer in ${TIMEOUT_MS} ms`));
      }, TIMEOUT_MS);
      const done = (f) => (value) => {
        clearTimeout(late);
        f(value);
      };
      this.waiting.set(id, { resolve: done(resolve), reject: done(reject) });
      this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  async page(options = {}) {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this, sessionId, targetId);
    await page.prepare({ width: 1440, height: 900, scale: 1, dark: false, ...options });
    return page;
  }

  async stop() {
    await this.send('Browser.close').catch(() => {});
    await this.exited;
    fs.rmSync(this.profile, { recursive: true, force: true });
  }
}

class Page {
  constructor(chrome, session, target) {
    this.chrome = chrome;
    this.session = session;
    this.target = target;
    this.errors = []; // console errors, uncaught exceptions, violations of the security policy
    this.requests = [];
    this.listener = (m) => {
      if (m.sessionId === session)
        this.note(m);
    };
    chrome.listeners.push(this.listener);
  }

  async close() {
    const { listeners } = this.chrome;
    listeners.splice(listeners.indexOf(this.listener), 1);
    await this.chrome.send('Target.closeTarget', { targetId: this.target });
  }

  note({ method, params }) {
    if (method === 'Runtime.exceptionThrown')
      this.errors.push(params.exceptionDetails.exception.description);
    else if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(params.type))
      this.errors.push(params.args.map((a) => a.value || a.description).join(' '));
    else if (method === 'Log.entryAdded' && params.entry.level === 'error')
      this.errors.push(params.entry.text);
    else if (method === 'Network.requestWillBeSent')
      this.requests.push(params.request.url);
  }

  send(method, params) {
    return this.chrome.send(method, params, this.session);
  }

  once(method) {
    return new Promise((resolve) => {
      const { listeners } = this.chrome;
      const listener = (m) => {
        if (m.method === method && m.sessionId === this.session) {
          listeners.splice(listeners.indexOf(listener), 1);
          resolve(m.params);
        }
      };
      listeners.push(listener);
    });
  }

  async prepare({ width, height, scale, dark }) {
    await Promise.all(['Page', 'Runtime', 'Log', 'Network'].map((d) => this.send(`${d}.enable`)));
    await this.send('Emulation.setDeviceMetricsOverride',
      { width, height, deviceScaleFactor: scale, mobile: false });
    await this.send('Emulation.setEmulatedMedia', {
      features: [
        { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
        { name: 'prefers-reduced-motion', value: 'reduce' },
      ],
    });
  }

  async open(file, hash = '') {
    // From elsewhere, so that another '#…' loads the page again.
    const left = this.once('Page.loadEventFired');
    await this.send('Page.navigate', { url: 'about:blank' });
    await left;
    const loaded = this.once('Page.loadEventFired');
    await this.send('Page.navigate', { url: pathToFileURL(path.resolve(file)).href + hash });
    await loaded;
    await this.settle();
  }

  // Two frames later, everything that was asked for has been drawn.
  settle() {
    return this.run('new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => r(0))))');
  }

  async run(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate',
      { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails)
      throw new Error((exceptionDetails.exception || {}).description || exceptionDetails.text);
    return result.value;
  }

  async key(key, text) {
    const params = { key, code: key, windowsVirtualKeyCode: KEY_CODES[key] || key.toUpperCase().charCodeAt(0) };
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', text: text || (key.length === 1 ? key : undefined), ...params });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...params });
    await this.settle();
  }

  async type(text) {
    for (const c of text)
      await this.send('Input.insertText', { text: c });
    await this.settle();
  }

  async mouse(type, x, y, button = 'none') {
    await this.send('Input.dispatchMouseEvent',
      { type, x, y, button, buttons: button === 'none' ? 0 : 1, clickCount: type === 'mouseMoved' ? 0 : 1 });
  }

  async click(x, y, button = 'left') {
    await this.mouse('mouseMoved', x, y);
    await this.mouse('mousePressed', x, y, button);
    await this.mouse('mouseReleased', x, y, button);
    await this.settle();
  }

  async screenshot(file, options = {}) {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png', ...options });
    fs.writeFileSync(file, Buffer.from(data, 'base64'));
  }
}

const KEY_CODES = {
  Enter: 13, Escape: 27, Backspace: 8, Tab: 9, ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40,
};

module.exports = { Chrome };
