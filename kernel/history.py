"""The cells that a kernel has run, as a history_request asks for them."""

from fnmatch import fnmatchcase

SESSION = 1  # the only one: a kernel remembers no earlier kernel's


class History:
    def __init__(self):
        self.cells = []  # (line, code, its value as text or None)

    def add(self, line, code, value):
        self.cells.append((line, code, value))

    def find(self, request):
        """The `history` of a history_reply: the newest cells last."""
        cells, access = self.cells, request["hist_access_type"]
        if access == "range":
            stop = request.get("stop") or len(cells) + 1
            lines = range(request.get("start") or 0, stop)
            ours = request.get("session", 0) in (0, SESSION)
            cells = [cell for cell in cells if ours and cell[0] in lines]
        elif access == "search":
            cells = [cell for cell in cells if fnmatchcase(cell[1], request["pattern"])]
            if request.get("unique"):
                cells = list({cell[1]: cell for cell in cells}.values())
        if access != "range" and request.get("n"):
            cells = cells[-request["n"] :]
        return [
            (SESSION, line, (code, value) if request.get("output") else code)
            for line, code, value in cells
        ]
