/** Words, accents, other scripts, pictures, control characters, spaces of all kinds, and special tokens. */
const PIECES = [
  "the bank|home|team|won|shares|fell|Monday|report|oil|it|new|old|café|The",
  " | | | |  |   |\t|\n|\r\n|\u00a0|\u2003|\u3000|\u200b|\u0085|\u2028",
  "é|e\u0301|\u0301| \u0301|ö|Ş|\u0130|ß|ﬁ|①|Ａ|\u212b|ñ|Σ|ς|Å",
  "新|新聞|あ|한국|カ\u3099|ไทย|ำ|हि|سلام|\u064b|שלום|привет|ЁЛКА|Ωμέγα",
  "😀|👩‍👩‍👧|🏳️‍🌈|\ufe0f|\u200d|\ud83d|\udc00|\u{1d400}|\u{10400}",
  "\0|\x01|\x7f|\ufffd|\ufeff|\u00ad|\u0600|\u2060|\u{e0001}",
  ".|,|!|?|'s|n't|it's|don't|-|--|…|“|”|$|^|`|\\|/|_|▁|##s|Ġ|<|>|[|]",
  "[MASK]|[SEP]|[CLS]|[PAD]|[UNK]|<mask>|<s>|</s>|<pad>|<unk>|<new>| <mask>|<mask> |[mask]",
  "0|1|42|3.14|10,000|1e9|²|½|Ⅷ|٣",
  "x".repeat(30) + "|" + "Longer".repeat(20) + "|" + "y".repeat(101),
].map((line) => line.split("|"));

/** A text of up to `most` random pieces; three in four words have a space after them. */
export function randomText(random: () => number, most = 40): string {
  const pick = <T>(from: T[]) => from[Math.floor(random() * from.length)]!;
  const length = Math.floor(random() * most);
  const plain = random();
  return Array.from({ length }, () => {
    const piece = random() < plain ? pick(PIECES[0]!) : pick(pick(PIECES));
    return random() < 0.75 ? `${piece} ` : piece;
  }).join("").toWellFormed();
}
