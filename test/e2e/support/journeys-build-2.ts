import { journeysOfBuild } from './versioned-journeys.js';

export default journeysOfBuild(2);
