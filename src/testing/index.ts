export { type JourneyTest, type JourneyTestOptions, startJourneyTest } from './harness.js';
