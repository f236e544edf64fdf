// The user's journeys inside the workflow bundle. A module of its own, because such a one can be
// preloaded: it is evaluated once per worker and shared by its sessions, which only read it.

/// <reference path="./bundled-journeys.d.ts" />
import journeys from 'temporal-cep-bundled-journeys';
import { compileJourneys } from '../rules/compiled.js';
import { RuleBook } from '../rules/in-force.js';

export const compiled = compileJourneys(journeys);
/** What tables have of rules is compiled once per worker, too. */
export const book = new RuleBook(compiled);

/**
 * The SDK keeps a stack for each promise of a workflow, for its stack trace query, and maps every frame to its source: with
 * the usual ten frames that was a third of the time that sessions took. One frame is left to errors, to say where they are from.
 * Said here, where nothing but the bundle comes by, and the sandbox has not yet been frozen.
 */
Error.stackTraceLimit = 1;
