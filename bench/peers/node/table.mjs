// node node/table.mjs FILE.ndjson...: one Markdown table of result lines, rounds merged, and whether the counts agree.
import { readFileSync } from 'node:fs';

const rows = new Map();
for (const f of process.argv.slice(2)) {
  for (const line of readFileSync(f, 'utf8').split('\n')) {
    if (!line.startsWith('{')) continue;
    const r = JSON.parse(line);
    if (!r.seconds) continue;
    const key = [r.file, (r.patterns ?? []).join('+'), r.engine, r.mode, r.input].join('|');
    const had = rows.get(key);
    if (!had) rows.set(key, { ...r, seconds: [...r.seconds] });
    else {
      had.seconds.push(...r.seconds);
      had.cpuSecondsBest = Math.min(had.cpuSecondsBest, r.cpuSecondsBest);
      had.peakRssMb = Math.max(had.peakRssMb, r.peakRssMb);
    }
  }
}
const median = (v) => {
  const s = [...v].sort((a, b) => a - b);
  return (s[(s.length - 1) >> 1] + s[s.length >> 1]) / 2;
};
const k = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(2)}M` : `${(n / 1e3).toFixed(1)}k`);
console.log(
  '| file | patterns | engine | mode | input | s best | s median | CPU s best | events/s best | events/s per CPU s | peak RSS MB |',
);
console.log('|---|---|---|---|---|--:|--:|--:|--:|--:|--:|');
for (const r of rows.values()) {
  const best = Math.min(...r.seconds);
  const p = r.patterns?.length ? r.patterns.join(' ') : '-';
  console.log(
    `| ${r.file.replace('.ndjson', '')} | ${p} | ${r.engine} | ${r.mode} | ${r.input ?? ''} | ${best.toFixed(3)} | ${median(r.seconds).toFixed(3)} | ${r.cpuSecondsBest?.toFixed(3) ?? ''} | ${k(r.events / best)} | ${r.cpuSecondsBest ? k(r.events / r.cpuSecondsBest) : ''} | ${r.peakRssMb ?? ''} |`,
  );
}
// agreement per file and pattern
const seen = new Map();
for (const r of rows.values()) {
  for (const p of r.patterns ?? []) {
    const at = `${r.file}|${p}`;
    const noHash = p === 'churn' && r.engine === 'esper'; // Esper's churn measures only the two ends
    const sig = [
      r.matches[p],
      r.alerts?.[p] ?? '',
      r.timeouts?.[p] ?? '',
      noHash ? '' : (r.matchHash?.[p] ?? ''),
      r.timeoutHash?.[p] ?? '',
    ];
    if (!seen.has(at)) seen.set(at, []);
    seen.get(at).push({ who: `${r.engine}/${r.mode}/${r.input}`, sig });
  }
}
console.log(
  '\n| file | pattern | matches | alerts | timeouts | match hash | timeout hash | engines |',
);
console.log('|---|---|--:|--:|--:|---|---|---|');
for (const [at, l] of seen) {
  const groups = new Map();
  const full = l.find((x) => x.sig[3] !== '') ?? l[0];
  for (const { who, sig } of l) {
    const s = sig.map((v, i) => (v === '' ? full.sig[i] : v)).join('|');
    if (!groups.has(s)) groups.set(s, []);
    groups.get(s).push(who);
  }
  for (const [s, who] of groups) {
    const [m, a, t, h, th] = s.split('|');
    const [f, p] = at.split('|');
    console.log(
      `| ${f.replace('.ndjson', '')} | ${p} | ${m} | ${a} | ${t} | ${h} | ${th} | ${groups.size === 1 ? `all ${who.length} agree` : `DIFFER: ${who.join(', ')}`} |`,
    );
  }
}
