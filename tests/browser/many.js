// SPDX-License-Identifier: BSD-2-Clause
// node many.js [FRAMES]: the specification (see mkprofile.c) of a call tree of at least so many frames.

'use strict';

const want = Number(process.argv[2] || 100000);
let seed = 7;
function random(n) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 4294967296) * n);
}

const out = ['@comm many', '@window 0 1000'];
let frames = 0;
for (let i = 0; frames < want; i++) {
  const stack = ['libserver.so!main', `libserver.so!handler_${random(40)}`, `libserver.so!step_${random(300)}`];
  const own = 6 + random(12);
  for (let d = 0; d < own; d++)
    stack.push(`lib${random(12)}.so!function_with_a_name_of_usual_length_${random(4000)}${random(8) ? '' : '_[i]'}`);
  if (!random(3))
    stack.push('do_syscall_64_[k]', `sys_${random(60)}_[k]`);
  frames += own;
  if (i % 2000 === 1999)
    out.push(`@window ${(i + 1) / 2} ${(i + 1) / 2 + 1000}`);
  out.push(`worker-${100 + random(16)};${stack.join(';')} ${1 + random(5)}`);
}
process.stdout.write(`${out.join('\n')}\n`);
