// The user's journeys inside the workflow bundle. A module of its own, because such a one can be
// preloaded: it is evaluated once per worker and shared by its sessions, which only read it.

/// <reference path="./bundled-journeys.d.ts" />
import journeys from 'temporal-cep-bundled-journeys';
import { compileJourneys } from '../rules/compiled.js';

export const compiled = compileJourneys(journeys);
