// Spellings of pattern documents that are found in rule tables and in public code, beside the one that is documented. They are
// read as what they mean, with a warning that names the place.

/** Something that was read as something else. */
export interface DialectWarning {
  /** JSON path. */
  readonly path: string;
  readonly message: string;
}

type Json = Record<string, unknown>;

/**
 * Rewrites a document into the documented form. What it does not know it leaves alone: `parseDocument` says what is wrong.
 *
 * @returns a copy, and what was rewritten
 */
export function fromDialect(json: unknown): { document: unknown; warnings: DialectWarning[] } {
  const warnings: DialectWarning[] = [];
  const document = isObject(json) ? graph(json, '$', warnings) : json;
  return { document, warnings };
}

function graph(json: Json, path: string, warnings: DialectWarning[]): Json {
  const found = node(json, path, warnings);
  renamed(found, 'afterMatchSkipStrategy', 'afterMatchStrategy', path, warnings);
  if (Array.isArray(found.nodes)) {
    found.nodes = found.nodes.map((each: unknown, i) => {
      const at = `${path}.nodes[${i}]`;
      if (!isObject(each)) return each;
      return each.type === 'COMPOSITE' ? graph(each, at, warnings) : node(each, at, warnings);
    });
  }
  if (Array.isArray(found.edges)) {
    found.edges = found.edges.map((each: unknown, i) =>
      isObject(each) ? withoutLayout({ ...each }, `${path}.edges[${i}]`, warnings) : each,
    );
  }
  return found;
}

function node(json: Json, path: string, warnings: DialectWarning[]): Json {
  const found = withoutLayout({ ...json }, path, warnings);
  if (!isObject(found.quantifier)) return found;
  const quantifier: Json = { ...found.quantifier };
  const at = `${path}.quantifier`;
  renamed(quantifier, 'details', 'properties', at, warnings);
  if (quantifier.innerConsumingStrategy !== undefined) {
    // Where there are both, the other one is that of the edge.
    delete quantifier.consumingStrategy;
    renamed(quantifier, 'innerConsumingStrategy', 'consumingStrategy', at, warnings);
  }
  for (const field of ['times', 'untilCondition'] as const) {
    if (found[field] === undefined) continue;
    if (found[field] !== null) {
      if (quantifier[field] === undefined || quantifier[field] === null) {
        quantifier[field] = found[field];
        warnings.push({ path: `${path}.${field}`, message: `it is read as quantifier.${field}` });
      } else {
        warnings.push({
          path: `${path}.${field}`,
          message: `it is left out, because quantifier.${field} is there`,
        });
      }
    }
    delete found[field];
  }
  found.quantifier = quantifier;
  return found;
}

/** Editors keep where they draw a node. */
function withoutLayout(json: Json, path: string, warnings: DialectWarning[]): Json {
  if (json.attributes === undefined) return json;
  delete json.attributes;
  warnings.push({ path: `${path}.attributes`, message: 'it means nothing to a pattern' });
  return json;
}

function renamed(
  json: Json,
  from: string,
  to: string,
  path: string,
  warnings: DialectWarning[],
): void {
  if (json[from] === undefined) return;
  if (json[to] === undefined || json[to] === null) {
    json[to] = json[from];
    warnings.push({ path: `${path}.${from}`, message: `it is read as ${to}` });
  } else {
    warnings.push({ path: `${path}.${from}`, message: `it is left out, because ${to} is there` });
  }
  delete json[from];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
