import { createRandom } from "../../lib/device/random.ts";

type Bytes = Uint8Array<ArrayBuffer>;
/** Draws a whole number from 0, below the given one. */
type Below = (n: number) => number;

const VALUES = [
  ...'0 1 2 -1 -0 00 01 1.0 1e0 2E2 .5 +1 0x1 NaN Infinity 1e999 null true [] {} "4"'.split(" "),
  ...[31n, 32n, 53n, 63n, 64n].flatMap((n) => [-1n, 0n, 1n].map((d) => `${2n ** n + d}`)),
  `1${"0".repeat(400)}`,
  ...[1, 2, 126, 127, 128, 129, 20_000].map((depth) => "[".repeat(depth) + "]".repeat(depth)),
  ...[126, 127, 128, 5000].map((depth) => '{"a":'.repeat(depth) + "1" + "}".repeat(depth)),
];
const TEXTS = [
  ..."F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL U16 U32 U64 C64 F4 F8_E4M3 f32 F31".split(" "),
  ..."a b dtype shape data_offsets __metadata__ __proto__ constructor 0".split(" "),
  ..."\\u0061 \\ud800 \\udc00\\ud800 \\ud83d\\ude00 \\x \\u12 \\ é 😀 \u2028 \n \0 \x7f".split(" "),
  "a".repeat(5000),
  "",
].map((text) => `"${text}"`);
const METADATA = ['{"":"é"}', "{}", '{"a":1}', '{"a":{}}', '{"a":"","a":""}', "null", "[]", '"x"'];
const SPACES = [" ", "\t", "\r\n", "\f", "\0", "\u00a0", "\u2028", "\ufeff", " ".repeat(300)];
const SIGNS = [...'{}[]:,"\\0-eé'];

/** The headers to begin with, and how many bytes of data follow: all dtypes, a scalar, no numbers, no tensor. */
const WHOLE: [header: string, size: number][] = [
  ['{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8],
  [
    '{"__metadata__":{"format":"pt"},"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},' +
    '"b":{"dtype":"F64","shape":[1],"data_offsets":[8,16]},' +
    '"c":{"dtype":"I32","shape":[1,2],"data_offsets":[16,24]}}  ',
    24,
  ],
  [
    '{"b":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},' +
    '"a":{"dtype":"BF16","shape":[],"data_offsets":[8,10]},' +
    '"c":{"dtype":"I16","shape":[0,7],"data_offsets":[10,10]}}',
    10,
  ],
  [
    '{"a":{"data_offsets":[2,5],"dtype":"I8","shape":[3]},' +
    '"b":{"data_offsets":[0,2],"dtype":"BOOL","shape":[2]},' +
    '"é":{"data_offsets":[5,9],"dtype":"U8","shape":[2,2]}}',
    9,
  ],
  ["{}", 0],
];

const NUMBER = /\d+/g;
const TEXT = /"[^"]*"/g;
const MEMBER = /"[^"]*":(\{[^{}]*\}|\[[^\]]*\]|"[^"]*")/g;

/** Each makes one fault in a header, or none. */
const HEADER_FAULTS: ((header: string, below: Below) => string)[] = [
  (header) => header,
  (header, below) => replace(NUMBER, header, below, (n) => `${Number(n) + below(9) - 4}`),
  (header, below) => replace(NUMBER, header, below, () => pick(VALUES, below)),
  (header, below) => replace(NUMBER, header, below, () => pick(header.match(NUMBER)!, below)),
  (header, below) => replace(TEXT, header, below, () => pick(TEXTS, below)),
  (header, below) => replace(TEXT, header, below, () => pick(header.match(TEXT)!, below)),
  (header, below) => replace(MEMBER, header, below, (member) => `${member},${member}`),
  (header, below) => replace(MEMBER, header, below, () => pick(header.match(MEMBER)!, below)),
  (header, below) => replace(MEMBER, header, below, () => '"z":0').replace(/"z":0,?/, ""),
  (header, below) =>
    replace(/\}/g, header, below, () => `,${pick(TEXTS, below)}:${pick(VALUES, below)}}`),
  (header, below) => header.replace("{", `{"__metadata__":${pick(METADATA, below)},`),
  (header, below) => replace(/[,:\]}]/g, header, below, (sign) => `\n ${sign}`),
  (header, below) => splice(header, below(header.length), 0, pick(SPACES, below)),
  (header, below) => splice(header, below(header.length), below(2), pick(SIGNS, below)),
  (header, below) => splice(header, below(header.length), 1 + below(8), ""),
  (header, below) => splice(header, header.length, 0, pick([...SPACES, ...SIGNS], below)),
];

/** Each makes one fault in a file's bytes. */
const BYTE_FAULTS: ((file: Bytes, below: Below) => Bytes)[] = [
  (file, below) => change(file, below(file.length), (byte) => byte ^ 1 << below(8)),
  (file, below) => change(file, below(file.length), () => below(256)),
  (file, below) => change(file, below(9), () => pick([0, 1, 255, below(256)], below)),
  (file, below) => change(file, 0, (byte) => byte + below(17) - 8),
  (file, below) => file.slice(0, below(file.length)),
  (file, below) => Uint8Array.of(...file, ...file.slice(0, 1 + below(12))),
  (file, below) => {
    const at = below(file.length);
    return Uint8Array.of(...file.slice(0, at), ...file.slice(at + 1));
  },
];

/**
 * Small .safetensors files with up to four faults each: some are still whole.
 */
export function mutatedFiles(count: number, seed: number): Bytes[] {
  const random = createRandom(seed);
  let draws: ArrayLike<number> = [];
  let used = 0;
  const below = (n: number) => {
    if (used === draws.length) {
      draws = random.uniform(100_000);
      used = 0;
    }
    return Math.floor(draws[used++]! * n);
  };
  return Array.from({ length: count }, () => {
    let [header, size] = pick(WHOLE, below);
    for (let faults = 1 + below(3); faults > 0; faults--) {
      header = pick(HEADER_FAULTS, below)(header, below);
    }
    const text = new TextEncoder().encode(header);
    const length = new Uint8Array(BigUint64Array.of(BigInt(text.length)).buffer);
    let file = Uint8Array.of(...length, ...text, ...Array.from({ length: size }, () => below(256)));
    if (below(3) === 0) file = pick(BYTE_FAULTS, below)(file, below);
    return file;
  });
}

const pick = <T>(from: T[], below: Below): T => from[below(from.length)]!;

function replace(pattern: RegExp, text: string, below: Below, by: (match: string) => string) {
  const matches = [...text.matchAll(pattern)];
  if (matches.length === 0) return text;
  const { index, 0: match } = pick(matches, below);
  return splice(text, index, match.length, by(match));
}

const splice = (text: string, at: number, remove: number, insert: string) =>
  text.slice(0, at) + insert + text.slice(at + remove);

const change = (file: Bytes, at: number, by: (byte: number) => number) =>
  file.map((byte, i) => i === at ? by(byte) : byte);
