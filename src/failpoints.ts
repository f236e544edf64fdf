// Named places at which a test can end a process, as a crash would: at once, without a chance to tidy up.
// Off unless the environment names one. In the order in which an event passes them:
//
//   signal-accepted      Temporal has a batch, the ingestor has not yet counted it as acknowledged
//   acknowledged         a batch is acknowledged, its offsets are not yet published or committed
//   progress-published   the watermark stands in SQL, the offset is not yet committed to Kafka
//   continue-as-new      a session is about to continue as new (workflows/failpoint-interceptor.ts)
//   continued-as-new     a session's next run has begun
//   alerts-sent          the sink has the alerts, the ledger does not yet say so
//   alerts-recorded      the ledger says so, Temporal does not yet know that the activity is done
//
//   effect-begun         a try of an effect is recorded, and not made
//   effect-sent          the receiver has it, the ledger does not yet say so
//   effect-recorded      the ledger says so, Temporal does not yet know that the activity is done
//
// And a hand-over of rules (hand-over/hand-over.ts):
//
//   hand-over-session    a session has been told
//   hand-over-told       all have, the rules are not on
//   hand-over-done       the rules are on, nobody knows yet

export type Failpoint =
  | 'signal-accepted'
  | 'acknowledged'
  | 'progress-published'
  | 'continue-as-new'
  | 'continued-as-new'
  | 'alerts-sent'
  | 'alerts-recorded'
  | 'effect-begun'
  | 'effect-sent'
  | 'effect-recorded'
  | 'hand-over-session'
  | 'hand-over-told'
  | 'hand-over-done';

/** `name`, or `name:n` for the n-th time that it is passed. */
export const FAILPOINT_VARIABLE = 'TEMPORAL_CEP_FAILPOINT';

const [armed, nth = '1'] = (process.env[FAILPOINT_VARIABLE] ?? '').split(':');
let passes = 0;

/** Whether the environment names a failpoint at all. */
export const isAnyFailpointArmed = armed !== undefined && armed !== '';

/** Ends the process here if a test wants it so. */
export function failpoint(name: Failpoint): void {
  if (armed !== name) return;
  passes++;
  if (passes === Number(nth)) {
    process.kill(process.pid, 'SIGKILL');
    // The signal may take a moment to arrive; nothing more must happen until then.
    for (;;);
  }
}

/** What workflows call: code in their sandbox can end nothing itself. */
export interface FailpointSinks {
  readonly failpoints: { hit(name: Failpoint): void };
}

/** The same for a worker's `sinks`. */
export const failpointSinks = {
  failpoints: {
    hit: {
      fn: (_: unknown, name: Failpoint) => failpoint(name),
      callDuringReplay: false,
    },
  },
};
