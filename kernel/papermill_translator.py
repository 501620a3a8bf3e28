"""Lets papermill set the parameters of notebooks in TypeScript.

papermill imports this through the entry point that install.py writes: it has a group of them for
engines and none for translators, so what the entry point names is papermill's own engine.
"""

import json
import re

from papermill.engines import NBClientEngine as Engine  # noqa: F401
from papermill.models import Parameter
from papermill.translators import Translator, papermill_translators

MAX_SAFE_INTEGER = 2**53 - 1
TEXT_OR_COMMENT = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)"""
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`""",
    re.DOTALL,
)
INNERMOST_BRACKETS = re.compile(r"[\[({][^\[\](){}]*[\])}]")
# Of an outline(). Without a semicolon a declaration ends before a line that is not indented.
DECLARATION = re.compile(
    r"^(?:let|const|var)[ \t]+(?P<name>[\w$]+)\s*(?::(?P<type>(?:[^=;#\n]|\n(?=\s))+))?"
    r"(?:=(?P<default>(?:[^;#\n]|\n(?=\s))*))?;?[ \t]*(?P<help>#+)?",
    re.MULTILINE,
)


def outline(source):
    """The source with "#" for each character of a comment, "_" for those of texts and brackets."""

    def fill(match):
        return ("#" if match.lastgroup == "comment" else "_") * len(match[0])

    source = TEXT_OR_COMMENT.sub(fill, source.replace("#", "_")).replace("=>", "__")
    found = 1
    while found:
        source, found = INNERMOST_BRACKETS.subn(fill, source)
    return source


class TypeScriptTranslator(Translator):
    """Assigns to what the notebook's cell of parameters declares with `let`.

    As cells are strict, assigning to an undeclared name is a ReferenceError.
    """

    @classmethod
    def translate_none(cls, val):
        return "undefined"

    @classmethod
    def translate_int(cls, val):
        if abs(val) > MAX_SAFE_INTEGER:
            raise ValueError(
                "Cannot pass a parameter as a whole number must be at most 2^53 - 1, up or down: "
                f"current value is {val}. Pass it as text with -r, and convert it with BigInt."
            )
        return super().translate_int(val)

    @classmethod
    def translate_float(cls, val):
        return json.dumps(val)

    @classmethod
    def translate_escaped_str(cls, str_val):
        return json.dumps(str(str_val))

    @classmethod
    def translate_list(cls, val):
        return f"[{', '.join(map(cls.translate, val))}]"

    @classmethod
    def translate_dict(cls, val):
        def key(name):
            # A plain "__proto__" would set the object's prototype.
            plain = isinstance(name, str) and name != "__proto__"
            return cls.translate(name) if plain else f"[{cls.translate(name)}]"

        items = (f"{key(name)}: {cls.translate(item)}" for name, item in val.items())
        return f"{{{', '.join(items)}}}"

    @classmethod
    def comment(cls, cmt_str):
        return f"// {cmt_str}"

    @classmethod
    def assign(cls, name, str_val):
        return f"{name} = {str_val};"

    @classmethod
    def codify(cls, parameters, comment="Parameters"):
        # A cell shows the value of its last expression, an assignment's too.
        return super().codify(parameters, comment) + "undefined;\n"

    @classmethod
    def inspect(cls, parameters_cell):
        """The cell's declarations, each `let name: type = default; // help`."""
        source = parameters_cell["source"]
        code = TEXT_OR_COMMENT.sub(
            lambda match: " " * len(match[0]) if match["comment"] else match[0], source
        )

        def parameter(match):
            def part(group, text):
                start, end = match.span(group)
                return re.sub(r"\s*\n\s*", " ", text[start:end].strip()) if match[group] else ""

            return Parameter(
                name=match["name"],
                inferred_type_name=part("type", code) or "None",
                default=part("default", code) or "undefined",
                help=part("help", source)[2:].removesuffix("*/").strip(),
            )

        return [parameter(match) for match in DECLARATION.finditer(outline(source))]


papermill_translators.register("typescript", TypeScriptTranslator)
