// What a process that runs for long shows of itself.

import { hostname } from 'node:os';
import { pid } from 'node:process';
import type { Registry } from 'prom-client';
import { serveMetrics } from '../metrics.js';
import { note } from './terminal.js';

/** Serves metrics where a port is given. @returns a function that ends it */
export async function showMetrics(registry: Registry, port?: number): Promise<() => Promise<void>> {
  if (port === undefined) return async () => {};
  const metrics = await serveMetrics(registry, { port });
  note(`Metrics at http://localhost:${metrics.port}/metrics`);
  return () => metrics.close();
}

/** Who we are, for people: host and process. */
export function ownerName(): string {
  return `${hostname()}:${pid}`;
}
