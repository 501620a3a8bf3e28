import { createRandom, permutation } from "../device/random.ts";

/**
 * Draws parts from rows at random, each with the classes in the rows' own proportions and, where they suffice, at least
 * one row of each class. A class with fewer rows than parts is in the first ones.
 *
 * @param classOf The class of each row, from 0.
 * @param sizes How many rows each part takes; together at most as many as there are.
 * @param seed Decides the draw.
 * @returns The rows of each part, from 0, in random order.
 */
export function stratify(classOf: number[], sizes: number[], seed: number): number[][] {
  const left: number[] = [];
  for (const label of classOf) left[label] = (left[label] ?? 0) + 1;
  for (let label = 0; label < left.length; label++) left[label] ??= 0;
  const quotas = sizes.map(() => left);
  for (let part = sizes.length - 1; part >= 0; part--) {
    const spare = left.map((rows) => Math.max(rows - part, 0)); // one for each part before
    const enough = sum(spare) >= sizes[part]!;
    const quota = shareOut(enough ? spare : left.slice(), left, sizes[part]!);
    quota.forEach((rows, label) => left[label]! -= rows);
    quotas[part] = quota;
  }
  const parts: number[][] = sizes.map(() => []);
  for (const row of permutation(createRandom(seed), classOf.length)) {
    const part = quotas.findIndex((quota) => quota[classOf[row]!]! > 0);
    if (part < 0) continue;
    quotas[part]![classOf[row]!]!--;
    parts[part]!.push(row);
  }
  return parts;
}

/** Shares `size` rows out in proportion to `rows`, at most `most` of each, by the largest remainders. */
function shareOut(most: number[], rows: number[], size: number): number[] {
  const total = sum(rows);
  const exact = rows.map((count) => total && count * size / total);
  const least = size >= most.filter((count) => count > 0).length ? 1 : 0;
  const shares = exact.map((x, i) => Math.min(most[i]!, Math.max(Math.floor(x), least)));
  const furthest = (sign: number, may: (i: number) => boolean) => {
    const labels = [...shares.keys()].filter(may);
    return labels.reduce((a, b) =>
      sign * (exact[b]! - shares[b]!) > sign * (exact[a]! - shares[a]!) ? b : a
    );
  };
  for (let more = size - sum(shares); more > 0; more--) {
    shares[furthest(1, (i) => shares[i]! < most[i]!)]!++;
  }
  for (let fewer = sum(shares) - size; fewer > 0; fewer--) {
    shares[furthest(-1, (i) => shares[i]! > least)]!--;
  }
  return shares;
}

const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
