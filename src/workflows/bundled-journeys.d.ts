// The worker's bundler puts the user's journeys module in this place (worker.ts).
declare module 'temporal-cep-bundled-journeys' {
  const journeys: import('../rules/journey.js').JourneySet;
  export default journeys;
}
