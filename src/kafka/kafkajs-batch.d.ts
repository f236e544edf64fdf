// What a consumer of kafkajs makes of a fetched partition; no part of its types.
declare module 'kafkajs/src/consumer/batch.js' {
  import type { KafkaMessage } from 'kafkajs';

  /** A partition in the answer to a fetch. */
  export interface FetchedPartition {
    readonly partition: number;
    readonly highWatermark: string;
    /** Absent before version 4 of the request. */
    readonly lastStableOffset?: string;
    /** With those of aborted transactions, and the marks of transactions. */
    readonly messages: readonly unknown[];
  }

  export default class Batch {
    constructor(topic: string, fetchedOffset: string, fetched: FetchedPartition);
    /** Those that a consumer is given. */
    readonly messages: readonly KafkaMessage[];
    lastOffset(): string;
  }
}
