/** Names a draw of a seed; both are integers of 32 bits. */
export type Key = readonly [seed: number, draw: number];

/**
 * The numbers in [0, 1) of a draw: the same bits on the host as TensorFlow's StatelessRandomUniform gives.
 *
 * @see Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011 (Philox4x32-10); stateless_random_ops.cc
 */
export function uniformNumbers(count: number, [seed, draw]: Key): Float32Array {
  const numbers = new Float32Array(count);
  const words: Words = [seed, seed >> 31, draw, draw >> 31];
  scramble(words, 0x3ec8f720, 0x02461e29);
  const [key0, key1, counter2, counter3] = words;
  for (let i = 0; i < count; i += 4) {
    [words[0], words[1], words[2], words[3]] = [i / 4, 0, counter2, counter3];
    scramble(words, key0, key1);
    for (let j = 0; j < 4 && i + j < count; j++) numbers[i + j] = (words[j]! & 0x7fffff) / 2 ** 23;
  }
  return numbers;
}

/**
 * The numbers of mean 0 and standard deviation 1 of a draw, by Box and Muller as StatelessRandomNormal, with every step
 * rounded to the nearest float. TensorFlow's logarithm, sine and cosine are those of the machine's C library, which are
 * not: of two million numbers 1.5 % differed from glibc 2.36's, nearly all by one unit in the last place, none by more
 * than three.
 *
 * @see Box and Muller, A Note on the Generation of Random Normal Deviates, 1958; random_distributions_utils.h
 */
export function normalNumbers(count: number, key: Key): Float32Array {
  const { cos, fround, log, max, PI, sin, sqrt } = Math;
  const uniform = uniformNumbers(count + count % 2, key);
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = fround(sqrt(-2 * fround(log(max(uniform[i]!, fround(1e-7))))));
    const angle = fround(2 * PI * uniform[i + 1]!);
    numbers[i] = fround(sin(angle)) * radius;
    if (i + 1 < count) numbers[i + 1] = fround(cos(angle)) * radius;
  }
  return numbers;
}

type Words = [number, number, number, number];

/** The ten rounds; what is above 32 bits of a word or a key has no effect. */
function scramble(words: Words, key0: number, key1: number) {
  let [a, b, c, d] = words;
  for (let round = 0; round < 10; round++) {
    const [high0, high1] = [high(a, 0xD2511F53), high(c, 0xCD9E8D57)];
    const [low0, low1] = [Math.imul(a, 0xD2511F53), Math.imul(c, 0xCD9E8D57)];
    [a, b, c, d] = [high1 ^ b ^ key0, low1, high0 ^ d ^ key1, low0];
    key0 = key0 + 0x9E3779B9 | 0;
    key1 = key1 + 0xBB67AE85 | 0;
  }
  [words[0], words[1], words[2], words[3]] = [a, b, c, d];
}

/** The upper 32 bits of the product of two words. */
function high(x: number, y: number): number {
  const [xLow, xHigh, yLow, yHigh] = [x & 0xffff, x >>> 16, y & 0xffff, y >>> 16];
  const middle = xHigh * yLow + (xLow * yLow >>> 16); // below 2^32
  const other = xLow * yHigh + (middle & 0xffff); // below 2^32
  return xHigh * yHigh + (middle >>> 16) + (other >>> 16) | 0;
}
