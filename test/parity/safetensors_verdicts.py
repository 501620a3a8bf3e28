"""Says what the reference parser makes of many files: safetensors_verdicts.py CASES VERDICTS

CASES holds one file after the other, each behind its length (uint32, little-endian). VERDICTS gets a
line of JSON a file: null where the parser refuses it, else its tensors by name, sorted, as
[name, dtype, shape, bytes in hexadecimal].
"""

import json
import struct
import sys
from pathlib import Path

from safetensors import SafetensorError, deserialize


def verdict(file):
    try:
        tensors = deserialize(file)
    except SafetensorError:
        return None
    rows = [[name, t["dtype"], t["shape"], bytes(t["data"]).hex()] for name, t in tensors]
    return sorted(rows, key=lambda row: row[0].encode("utf-16-be"))  # as JavaScript sorts


if __name__ == "__main__":
    cases = Path(sys.argv[1]).read_bytes()
    with open(sys.argv[2], "w") as out:
        start = 0
        while start < len(cases):
            (length,) = struct.unpack_from("<I", cases, start)
            file = cases[start + 4 : start + 4 + length]
            start += 4 + length
            print(json.dumps(verdict(file)), file=out)
