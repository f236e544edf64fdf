// Recorded sessions replay under the workflow of today: the histories of each release in test/replay, of sessions with a
// timeout by timer, a match, and a continue-as-new on both sides of it, give the same commands again. So that
// this can fail, the same is done with a copy of dist in which one command is another: there it must not.

import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import { Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleJourneys, quietTemporal } from './support/built.js';
import { historyFromJson, localActivity, scheduledActivity } from './support/history.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDER = new URL('../replay/', import.meta.url);
const JOURNEYS = 'test/e2e/support/journeys.ts';
const recordings = readdirSync(FOLDER, { recursive: true })
  .map((file) => `${file}`.replaceAll('\\', '/'))
  .filter((file) => /^[^/]+\/[^/]+\.json$/.test(file))
  .sort()
  .map((file) => {
    const text = readFileSync(new URL(file, FOLDER), 'utf8');
    return { name: file.replace('.json', ''), text, history: historyFromJson(text) };
  });
const alerting = recordings.filter(({ history }) => publishes(history));

beforeAll(quietTemporal);

test('the recordings hold what they are there for, and nothing of the machine', () => {
  const shown = recordings.map(({ name, history }) => ({
    name,
    timer: history.events?.some((event) => event.timerFiredEventAttributes) ?? false,
    read: schedules(history, 'readProgress'),
    alert: publishes(history),
    ends: history.events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes ? 'anew' : 'done',
  }));
  expect(shown).toEqual([
    { name: '0.1.0/continued-from', timer: false, read: false, alert: false, ends: 'anew' },
    { name: '0.1.0/continued-to', timer: false, read: false, alert: true, ends: 'done' },
    { name: '0.1.0/match', timer: false, read: true, alert: true, ends: 'done' },
    { name: '0.1.0/timeout', timer: true, read: true, alert: true, ends: 'done' },
  ]);
  for (const { name, text } of recordings) {
    const identities = text.match(/"identity": ?"[^"]*"/g) ?? [];
    expect(identities.length, name).toBeGreaterThan(2);
    expect([...new Set(identities.map((found) => found.replace(': ', ':')))].sort(), name).toEqual(
      expect.not.arrayContaining([expect.stringMatching(/@/)]),
    );
  }
});

describe('the workflow of today', () => {
  let bundle: WorkflowBundleWithSourceMap;
  beforeAll(async () => {
    bundle = await bundleJourneys(join(ROOT, JOURNEYS));
  });

  test.each(recordings)('replays $name', async ({ name, history }) => {
    await Worker.runReplayHistory({ workflowBundle: bundle, replayName: name }, history);
  });
});

describe('a workflow that calls another activity', () => {
  let bundle: WorkflowBundleWithSourceMap;
  const copy = mkdtempSync(join(tmpdir(), 'temporal-cep-replay-'));
  afterAll(() => rmSync(copy, { recursive: true, force: true }));
  beforeAll(async () => {
    for (const part of ['dist', 'package.json', JOURNEYS]) {
      cpSync(join(ROOT, part), join(copy, part), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    const session = join(copy, 'dist/workflows/session.js');
    const [before, after, ...more] = readFileSync(session, 'utf8').split('local.publishAlerts(');
    expect([typeof before, typeof after, more.length]).toEqual(['string', 'string', 0]);
    writeFileSync(session, `${before}local.publishAlert(${after}`);
    const worker = (await import(
      /* @vite-ignore */ pathToFileURL(join(copy, 'dist/worker.js')).href
    )) as typeof import('../../src/worker.js');
    bundle = await worker.bundleJourneys(join(copy, JOURNEYS));
    expect(bundle.code).toContain('local.publishAlert(');
  });

  test.each(alerting)('does not replay $name', async ({ name, history }) => {
    const replayed = Worker.runReplayHistory({ workflowBundle: bundle, replayName: name }, history);
    await expect(replayed).rejects.toThrow(DeterminismViolationError);
  });
});

function publishes({ events }: History): boolean {
  return events?.some((event) => localActivity(event) === 'publishAlerts') ?? false;
}

function schedules({ events }: History, activity: string): boolean {
  return events?.some((event) => scheduledActivity(event) === activity) ?? false;
}
