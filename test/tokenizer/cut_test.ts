import assert from "node:assert/strict";
import { loadTokenizer } from "lightweight-finetuning";
import { tokenizerFolder } from "../helpers/tokenizers.ts";

const MAX = 16;
const LONG = `<${"x".repeat(34)}>`;
const CLASSES = {
  wordpiece: "BertTokenizer",
  byteLevel: "RobertaTokenizer",
  unigram: "XLMRobertaTokenizer",
};

const added = (tokens: object[]) =>
  tokens.map((token, i) => ({
    ...{ id: 900 + i, single_word: false, lstrip: false, rstrip: false },
    ...{ normalized: false, special: true, ...token },
  }));

/** One id each. */
const FILLERS = Array.from({ length: 40 }, (_, i) => `<${"y".repeat(i)}>`);

/** Texts whose last ids to be kept are of characters about the 320th, the 20 times MAX where the cut is. */
const texts = ["  <mask>", " <mask>  the", " new old the", " \u0301the", "\u3000 the"].flatMap((
  end,
) =>
  [2, 3, 4, 5, 6].flatMap((words) =>
    FILLERS.map((filler) =>
      LONG.repeat(8) + " the".repeat(words) + filler + end + " bank".repeat(20)
    )
  )
);

for (const tokenizer of ["wordpiece", "byteLevel", "unigram"] as const) {
  for (const tokens of [[], [{ content: "new old" }], [{ content: "▁the", lstrip: true }]]) {
    const name = tokens.map(({ content }) => ` and '${content}'`).join("");
    Deno.test(`${tokenizer}, <mask>${name}: a long text's ids are those of the whole`, async () => {
      const open = async (model_max_length: number) => {
        const config = { model_type: "bert", max_position_embeddings: 1e6, pad_token_id: 0 };
        const tokenizer_class = CLASSES[tokenizer];
        const settings = { model_max_length, tokenizer_class, truncation_side: "right" };
        const all = added([
          ...[LONG, ...FILLERS].map((content) => ({ content })),
          ...[{ content: "<mask>", lstrip: true }, ...tokens],
        ]);
        const patch = { added_tokens: all };
        await using folder = await tokenizerFolder({ tokenizer, settings, config, patch });
        return await loadTokenizer(folder.path);
      };
      const [cutting, whole] = [await open(MAX), await open(1e5)]; // no text is long for the latter
      const first = (await whole.encode(texts)).map((
        ids,
      ) => [...ids.slice(0, MAX - 1), ids.at(-1)]);
      assert.deepEqual(await cutting.encode(texts), first);
    });
  }
}
