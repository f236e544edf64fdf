export { cel } from './cel.js';
export { decode } from './decode.js';
export { type PatternDocument, parseDocument } from './document.js';
export { encode } from './encode.js';
