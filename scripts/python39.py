"""What may run on a managed host runs on Python 3.9:
vermin knows its library, this module finds unions made at run time.

Syntax is left to ruff, whose target version for these files is py39. Annotations are not evaluated under
`from __future__ import annotations`, so that `int | None` is fine in them; elsewhere 3.9 refuses it, and neither ruff
nor vermin can tell the two apart.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

# No configuration file: what is checked stands here.
COMMAND = ("vermin", "--no-config-file", "--no-tips", "--target=3.9-", "--violations", "-vvv")


def unions(source: str) -> list[int]:
    """The lines where types are joined by `|` when the module runs."""
    tree = ast.parse(source)
    lazy = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    skipped = {id(part) for annotation in _annotations(tree) for part in ast.walk(annotation)} if lazy else set()
    found = (node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and _is_union(node))
    return sorted({node.lineno for node in found if id(node) not in skipped})


def _annotations(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                yield getattr(node, field)


def _is_union(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.BitOr) and (_is_type(node.left) or _is_type(node.right))


def _is_type(node: ast.expr) -> bool:
    """None, a built-in type, or a name in CamelCase; flags and sets have other names."""
    if isinstance(node, ast.Subscript):
        return _is_type(node.value)
    if isinstance(node, ast.Constant):
        return node.value is None
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return isinstance(getattr(builtins, name, None), type) or (name[:1].isupper() and not name.isupper())
