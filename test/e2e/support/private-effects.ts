import { privateJourneys } from './private-journeys.js';

export default privateJourneys(['coupon']);
