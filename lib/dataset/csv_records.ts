/**
 * The records of a csv text (RFC 4180), its header first. A field that is empty and without quotes is
 * null; blank lines are left out.
 *
 * Polars' own reader drops the fields that a record has too many, such as the end of a text after an
 * unquoted comma, and its errors name no row.
 *
 * @param source names the text in errors
 * @throws RangeError when a record has not as many fields as the header, or a quote stays open.
 */
export function csvRecords(text: string, source: string): (string | null)[][] {
  const records: (string | null)[][] = [];
  let at = 0;
  while (at < text.length) {
    const record = [field()];
    while (text[at] === ",") {
      at++;
      record.push(field());
    }
    const lineEnd = matchAt(/\r\n?|\n|$/y);
    if (lineEnd === undefined) throw fault("a comma or a line end behind a closing quote");
    at += lineEnd.length;
    if (record.length === 1 && record[0] === null) continue;
    const { length } = records[0] ?? record;
    if (record.length !== length) throw fault(`${length} fields, not ${record.length}`);
    records.push(record);
  }
  return records;

  function field(): string | null {
    if (text[at] !== '"') {
      const value = matchAt(/[^,\r\n]*/y)!;
      at += value.length;
      return value || null;
    }
    let value = "";
    while (true) {
      const end = text.indexOf('"', at + 1);
      if (end < 0) throw fault("a closing quote to each opening one");
      value += text.slice(at + 1, end);
      at = end + 1;
      if (text[at] !== '"') return value;
      value += '"'; // two quotes stand for one
    }
  }

  function matchAt(pattern: RegExp): string | undefined {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  }

  function fault(expected: string) {
    return new RangeError(
      `Cannot load ${source} as row ${records.length} (the first row after the header is 1) must have ` +
        `${expected}; put texts with commas, quotes or line ends in quotes, and double the quotes in them`,
    );
  }
}
