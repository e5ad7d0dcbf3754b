"""The one door to typst: a template and data in, a PDF out.

Data reach a template as values (`#let data = json(bytes(sys.inputs.data))`), never as source, so no word of theirs is code.
Every template gets the house's font and `fallback: false`: a letter without a glyph is an error, not a letter of another font.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import typst

from docs_store import fonts
from shared.turns import place

PRELUDE = f'#set text(font: "{fonts.FAMILY}", lang: "vi", fallback: false); '
ATTACH = """
#for (name, kind) in json(bytes(sys.inputs.attachments)) {
  pdf.attach(name, read("/attachments/" + name, encoding: none), relationship: "data", mime-type: kind, description: name)
}
"""
AT_ONCE, ROOM = BoundedSemaphore(2), BoundedSemaphore(12)  # each that waits holds a thread, see `shared.turns`
KINDS = {".json": "application/json", ".xml": "application/xml", ".csv": "text/csv", ".txt": "text/plain"}


class TypesettingFailed(RuntimeError):
    """The template or its data are at fault: a bug, not a refusal."""


def typeset(
    template: Path,
    data: Mapping[str, Any],
    *,
    now: datetime,
    standards: Sequence[str] = ("a-3a", "ua-1"),
    attachments: Mapping[str, bytes] | None = None,
) -> bytes:
    """A PDF of `template` (its folder is the only one it can read); the same input gives the same bytes.

    `standards` as typst names them. `attachments` become associated files of the PDF/A-3, relationship Data. Raises
    `Unavailable` if too many wait.
    """
    if lacking := fonts.missing():
        raise TypesettingFailed(f"fonts are not in place: {', '.join(lacking)} (from the npm package {fonts.PACKAGE})")
    with place(ROOM, 0), place(AT_ONCE, 60), tempfile.TemporaryDirectory(prefix="typeset-") as folder:
        root = Path(folder) / "root"
        shutil.copytree(template.parent, root)
        main = root / template.name
        main.write_text(PRELUDE + template.read_text("utf-8") + (ATTACH if attachments else ""), "utf-8")
        for name, content in (attachments or {}).items():
            if Path(name).name != name:
                raise ValueError(f"not a plain file name: {name!r}")
            (root / "attachments").mkdir(exist_ok=True)
            (root / "attachments" / name).write_bytes(content)
        kinds = {name: KINDS.get(Path(name).suffix, "application/octet-stream") for name in attachments or {}}
        inputs = {"data": json.dumps(data, ensure_ascii=False), "attachments": json.dumps(kinds)}
        return _compile(main, root, inputs, standards, now)


def _compile(main: Path, root: Path, inputs: dict[str, str], standards: Sequence[str], now: datetime) -> bytes:
    try:
        pdf, warnings = typst.compile_with_warnings(
            main,
            root=root,
            font_paths=_fonts(),
            sys_inputs=inputs,
            pdf_standards=list(standards),  # type: ignore[arg-type]  # typst checks the names
            timestamp=int(now.timestamp()),
            pdf_tags=bool(standards),
            package_path=root / "no-packages",
            package_cache_path=root / "no-packages",
        )
    except typst.TypstError as error:
        raise TypesettingFailed(f"{main.name}: {error.message} {' '.join(error.hints)}\n{error.diagnostic}") from None
    if warnings:
        raise TypesettingFailed(f"{main.name}: {'; '.join(warning.message for warning in warnings)}")
    return bytes(pdf)


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(fonts.FOLDER)])
