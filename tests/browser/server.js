// SPDX-License-Identifier: BSD-2-Clause
// node server.js [SEED]: the specification (see mkprofile.c) of a minute of a busy multithreaded
// server: a walk over a growing list, a contended lock, threads that come and go.

let seed = Number(process.argv[2] || 1);
function random() {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 4294967296;
}

const out = [];
const START = 'libc.so.6!clone3;libc.so.6!start_thread';
const SYS = 'entry_SYSCALL_64_after_hwframe_[k];do_syscall_64_[k]';
const PARSE = ['sip_parse_header', 'sip_uri_parse', 'hash_lookup', 'str_trim_[i]', 'memchr_avx2', 'ast_strdup'];
const MODULES = ['chan_sip.so', 'res_pjsip.so', 'app_queue.so', 'libssl.so.3'];

function pick(list) {
  return list[Math.floor(random() * random() * list.length)];
}

function cpuStacks(second) {
  const grow = 4 + second;
  out.push(`monitor-111;${START};asterisk!dummy_start;chan_sip.so!do_monitor;chan_sip.so!sip_poke_list;chan_sip.so!ao2_iterator_next ${grow}`);
  out.push(`monitor-111;${START};asterisk!dummy_start;chan_sip.so!do_monitor;chan_sip.so!sip_poke_list;chan_sip.so!ao2_iterator_next;libc.so.6!__strcmp_avx2 ${Math.ceil(grow / 3)}`);
  for (let t = 0; t < 6; t++) {
    const thread = `worker/${t}-${120 + t}`;
    for (let i = 0; i < 14; i++) {
      const module = pick(MODULES);
      let stack = `${START};asterisk!worker_start;asterisk!default_tps_processing_function;${module}!handle_request`;
      for (let d = Math.floor(random() * 9); d >= 0; d--)
        stack += `;${module}!${pick(PARSE)}${random() < 0.1 ? `;${module}!${pick(PARSE)}` : ''}`;
      out.push(`${thread};${stack} ${1 + Math.floor(random() * (7 - t))}`);
    }
    out.push(`${thread};${START};asterisk!worker_start;libc.so.6!__sendto;${SYS};__sys_sendto_[k];sock_sendmsg_[k];udp_sendmsg_[k];ip_make_skb_[k];__alloc_skb_[k] ${1 + Math.floor(random() * 4)}`);
  }
  out.push(`worker/1-121;[truncated];libcrypto.so.3!aesni_cbc_encrypt ${1 + Math.floor(random() * 2)}`);
  for (const f of ['evaluate', 'Context.lookup', 'Interpreter.run'])
    out.push(`lua-140;${START};liblua.so!lua_pcall;${f}_[j];${f}_[j];table.insert_[j] ${1 + Math.floor(random() * 5)}`);
}

function waits() {
  const wait = `libc.so.6!__GI___lll_lock_wait;${SYS};__x64_sys_futex_[k];futex_wait_[k];schedule_[k]`;
  out.push('@kind lock');
  for (let t = 0; t < 6; t++)
    out.push(`worker/${t}-${120 + t};${START};asterisk!worker_start;chan_sip.so!handle_request;asterisk!ao2_lock;libc.so.6!pthread_mutex_lock;${wait} ${Math.floor(20000 + random() * 90000)}`);
  out.push('@kind offcpu');
  for (let t = 0; t < 6; t++)
    out.push(`worker/${t}-${120 + t};${START};asterisk!worker_start;libc.so.6!pthread_cond_wait;${SYS};futex_wait_[k];schedule_[k] ${Math.floor(200000 + random() * 400000)}`);
  out.push(`monitor-111;${START};asterisk!dummy_start;chan_sip.so!do_monitor;libc.so.6!poll;${SYS};do_sys_poll_[k];schedule_[k] 300000`);
  out.push('@kind spawn', `asterisk-100;libc.so.6!__libc_start_call_main;asterisk!main;asterisk!ast_pthread_create_stack;libc.so.6!pthread_create ${Math.floor(random() * 40)}`);
}

out.push('@comm asterisk', '@cmdline /usr/sbin/asterisk -f -C /etc/asterisk/asterisk.conf');
out.push('@finding high|hot-thread|Thread monitor (111) alone uses 58 % of a CPU|It walks one list: sip_poke_list < ao2_iterator_next takes 96 % of it. A walk this long that grows usually means entries that are never removed.|' +
  `${START};asterisk!dummy_start;chan_sip.so!do_monitor;chan_sip.so!sip_poke_list;chan_sip.so!ao2_iterator_next`);
out.push('@finding medium|lock-contention|6 threads waited 22 s for one mutex in ao2_lock|The owner holds it during a walk. Shorten what is done under the lock.|');
out.push('@finding low|thread-churn|20 threads a second are created by ast_pthread_create_stack|A pool would save their start.|');
out.push('@loss samples 0', '@loss stacks 0', '@note Names of liblua.so come from a perf map.');
for (let second = 0; second < 60; second++) {
  out.push('@kind cpu', `@window ${second * 1000} ${second * 1000 + 1000}`);
  cpuStacks(second);
  waits();
}
process.stdout.write(`${out.join('\n')}\n`);
