import vm from "node:vm";
import { visible } from "../text.ts";

/** A regular expression for whole names. */
export interface Expression {
  /** Whether it matches a name from start to end. */
  test(name: string): boolean;
  /** What its named groups hold in a name that it matches. */
  groups(name: string): Record<string, string> | undefined;
}

const LIMIT = 2_000; // ms that the names of all models may take

// Only the timeout of a context ends a match that never would.
const context: { pattern?: RegExp; name?: string } = vm.createContext({});

const expressions = new Map<string, Expression>();

/**
 * Compiles an expression that matches as Python's `re.fullmatch` does.
 *
 * @throws {SyntaxError} When Python does not accept it, or it has no counterpart in JavaScript. Matching throws it too,
 * for an expression that takes for ever.
 */
export function expression(source: string): Expression {
  const compiled = expressions.get(source) ?? compile(source);
  expressions.set(source, compiled);
  return compiled;
}

function compile(source: string): Expression {
  const { pattern, flags } = translate(source);
  try {
    new RegExp(pattern, flags); // alone, as "a)|(b" would be one in parentheses
  } catch (error) {
    const reason = (error as Error).message.split(": ").at(-1)!.toLowerCase();
    throw refusal(source, `must be a regular expression: ${reason}`);
  }
  const whole = new RegExp(`^(?:${pattern})$`, flags);
  const known = new Map<string, Record<string, string> | undefined>();
  let left = LIMIT;
  const groups = (name: string) => {
    if (!known.has(name)) {
      const start = performance.now();
      const match = left < 1 ? undefined : execute(whole, name, Math.floor(left));
      left -= performance.now() - start;
      if (match === undefined) {
        left = 0;
        const limit = `must take less than ${LIMIT} ms for all names`;
        throw refusal(source, `${limit}. Leave out repetitions of repetitions`);
      }
      known.set(name, match ? { ...match.groups } : undefined);
    }
    return known.get(name);
  };
  return { groups, test: (name) => groups(name) !== undefined };
}

/** Matches; returns `undefined` if it takes longer than `timeout` ms. */
function execute(
  pattern: RegExp,
  name: string,
  timeout: number,
): RegExpExecArray | null | undefined {
  try {
    Object.assign(context, { pattern, name });
    return vm.runInContext("pattern.exec(name)", context, { timeout });
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return undefined;
    throw error;
  }
}

function refusal(source: string, what: string): SyntaxError {
  const shown = visible(source.length > 200 ? `${source.slice(0, 200)}…` : source);
  return new SyntaxError(
    `Cannot match names by '${shown}' as it ${what}. A list of names does it too`,
  );
}

/** Flags for all of the expression, and comments before them. */
const START = /^(?:\(\?[imsu]+\)|\(\?#[^)]*\))*/;

const ESCAPE = /\\(?:x[\dA-Fa-f]{2}|u[\dA-Fa-f]{4}|0(?!\d)|[^])/;

/** What the two languages write differently, and what one of them lacks. */
const TOKEN = new RegExp(
  [
    /(?<comment>\(\?#[^)]*\))/,
    /\(\?P<(?<name>[A-Za-z_]\w*)>/,
    /(?<group>\(\?(?:[=!]|[ims]*(?:-[ims]+)?:))/,
    /(?<behind>\(\?<[=!](?=(?:[^()*+?{|\\]|\\[^\d])*\)))/, // of one width, as Python demands
    /(?<extension>\(\?P?\W?\w*\)?)/,
    /\[(?<not>\^|(?!\^))(?<first>\\[^]|[^\\])(?<rest>(?:\\[^]|[^\\\]])*)\]/,
    /(?<repeat>[*+?]|\{(?:\d+,?\d*|,\d*)\})(?<mode>[?+]?)/,
    new RegExp(`(?<escape>${ESCAPE.source})`),
    /(?<brace>[\]{}])/,
  ].map(({ source }) => source).join("|"),
  "g",
);

/** @see https://docs.python.org/3/library/re.html#regular-expression-syntax */
function translate(source: string): { pattern: string; flags: string } {
  const unknown = (what: string): never => {
    throw refusal(source, `must do without '${what}', which JavaScript cannot match alike`);
  };
  const escape = (text: string) => {
    const [, letter] = text;
    if (/^\\(?:[dDsSwWbBnrtfv0]|[xu]..+)$/.test(text)) return text;
    if (letter === "A") return "^";
    if (letter === "Z") return "$";
    if (letter === "a") return "\\x07";
    if (/[^\W_]/.test(letter!)) return unknown(text);
    return "^$\\.*+?()[]{}|/".includes(letter!) ? text : letter!;
  };
  const [start] = START.exec(source)!;
  const names = new Set<string>();
  const pattern = source.slice(start.length).replace(TOKEN, (token, ...rest) => {
    const groups: Record<string, string | undefined> = rest.at(-1);
    const { comment, name, extension, first, repeat, mode, brace } = groups;
    if (comment) return "";
    if (name) {
      if (names.size === names.add(name).size) return unknown(token);
      return `(?<${name}>`;
    }
    if (extension || mode === "+" || token === "\\") return unknown(token);
    if (first) {
      const within = (first === "]" ? "\\]" : first) + groups.rest;
      const letters = within.replace(
        new RegExp(ESCAPE, "g"),
        (text) => /\\[AZ]/.test(text) ? unknown(text) : text === "\\-" ? text : escape(text),
      );
      return `[${groups.not}${letters}]`;
    }
    if (repeat) return repeat.replace("{,", "{0,") + mode;
    if (groups.escape) return escape(token);
    return brace ? `\\${brace}` : token;
  });
  const flags = new Set(`u${start.replace(/\(\?#[^)]*\)/g, "").replace(/\W/g, "")}`);
  return { pattern, flags: [...flags].join("") };
}
