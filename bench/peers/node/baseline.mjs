// The floor: what node needs to read the same file, JSON.parse each line, and look up the session in a Map.
// node node/baseline.mjs --file data/clicks-100k.ndjson [--mode parse|read|lookup] [--warmup 1] [--runs 3]
//   read    bytes from disk and the split into lines (latin1 strings), no parsing
//   parse   + JSON.parse + Map lookup by userSession (the floor of any engine in node that reads this file)
//   lookup  Map lookup only, over events already parsed in memory (the floor of an engine fed from memory)
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { basename } from 'node:path';

const opt = {};
for (let i = 2; i < process.argv.length; i += 2)
  opt[process.argv[i].slice(2)] = process.argv[i + 1];
const file = opt.file;
const mode = opt.mode ?? 'parse';
const warmup = Number(opt.warmup ?? 1);
const runs = Number(opt.runs ?? 3);

function eachLine(path, f) {
  const fd = openSync(path, 'r');
  const buf = Buffer.allocUnsafe(1 << 20);
  let kept = 0;
  for (;;) {
    const n = readSync(fd, buf, kept, buf.length - kept, null);
    if (n === 0) break;
    const end = kept + n;
    let from = 0;
    for (;;) {
      const nl = buf.indexOf(10, from);
      if (nl < 0 || nl >= end) break;
      f(buf.latin1Slice(from, nl)); // the generator writes ASCII only
      from = nl + 1;
    }
    buf.copy(buf, 0, from, end);
    kept = end - from;
  }
  closeSync(fd);
}

class Session {
  constructor() {
    this.n = 0;
    this.last = 0;
  }
}

function touch(sessions, e) {
  let s = sessions.get(e.userSession);
  if (s === undefined) {
    s = new Session();
    sessions.set(e.userSession, s);
  }
  s.n++;
  s.last = e.eventTime;
}

let events = 0;
let sessionCount = 0;
let memory = null;
if (mode === 'lookup') {
  memory = [];
  eachLine(file, (l) => memory.push(JSON.parse(l)));
}

function pass() {
  events = 0;
  const sessions = new Map();
  if (mode === 'read')
    eachLine(file, () => {
      events++;
    });
  else if (mode === 'parse')
    eachLine(file, (l) => {
      events++;
      touch(sessions, JSON.parse(l));
    });
  else
    for (const e of memory) {
      events++;
      touch(sessions, e);
    }
  sessionCount = sessions.size;
}

for (let i = 0; i < warmup; i++) pass();
const seconds = [];
const cpu = [];
for (let i = 0; i < runs; i++) {
  const c0 = process.cpuUsage();
  const t0 = process.hrtime.bigint();
  pass();
  seconds.push(Number(process.hrtime.bigint() - t0) / 1e9);
  const c = process.cpuUsage(c0);
  cpu.push((c.user + c.system) / 1e6);
}
const sorted = [...seconds].sort((a, b) => a - b);
const best = sorted[0];
const median = (sorted[(runs - 1) >> 1] + sorted[runs >> 1]) / 2;
const hwm = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'));
const r4 = (x) => Math.round(x * 1e4) / 1e4;
console.log(
  JSON.stringify({
    engine: 'node-baseline',
    version: process.version,
    mode,
    input: mode === 'lookup' ? 'memory' : 'file',
    file: basename(file),
    events,
    sessions: sessionCount,
    patterns: [],
    secondsBest: r4(best),
    secondsMedian: r4(median),
    seconds: seconds.map(r4),
    cpuSecondsBest: r4(Math.min(...cpu)),
    eventsPerSecond: Math.round(events / best),
    eventsPerSecondMedian: Math.round(events / median),
    matches: {},
    alerts: {},
    timeouts: {},
    peakRssMb: Math.round(Number(hwm?.[1] ?? 0) / 1024),
    runtime: `node ${process.version}`,
  }),
);
