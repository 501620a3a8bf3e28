"""Checks the cells of notebooks as the kernel does; prints JSON of each one's warnings and seconds.

    python test/kernel/notebooks.py NOTEBOOK...
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "kernel"))
from language import Language, warnings_of


async def main(files):
    os.chdir(files[0].parent)
    results = {}
    for file in files:
        language = Language()
        serving = asyncio.ensure_future(language.start())
        await language.ready.wait()
        warnings, seconds = [], []
        for cell in json.loads(file.read_text())["cells"]:
            if cell["cell_type"] == "code":
                start = time.monotonic()
                module = await language.run("".join(cell["source"]))
                seconds.append(time.monotonic() - start)
                warnings += warnings_of(module)
        results[file.stem] = {"warnings": warnings, "seconds": seconds}
        language.process.kill()
        await serving
    json.dump(results, sys.stdout)


asyncio.run(main([Path(file).resolve() for file in sys.argv[1:]]))
