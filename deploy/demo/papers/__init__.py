"""The papers of the sample meeting, set by typst in the form of Decree 30/2020/NĐ-CP when they are first needed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import typst

from deploy.demo.meeting import VIETNAM
from deploy.demo.papers import contents

Kind = Literal["agenda", "report", "proposal", "verification", "resolution", "annex"]
TEMPLATES = Path(__file__).parent
FONTS = TEMPLATES.parents[2] / "docs_store" / "fonts"


@dataclass(frozen=True, slots=True)
class PaperFile:
    """A PDF on disk. A version 2 has the title and the item of its version 1 and comes after it in the list."""

    path: Path
    item_key: str
    title: str
    kind: Kind
    version: int = 1


@dataclass(frozen=True, slots=True)
class _Plan:
    item_key: str
    kind: Kind
    title: str
    file: str
    template: str
    data: Callable[[datetime, int], contents.Data] = contents.plain
    version: int = 1


_PLANS = (
    _Plan("1", "agenda", "Chương trình kỳ họp", "Chuong trinh 29-CTr-HDND", "agenda", contents.agenda),
    _Plan("3", "proposal", "Tờ trình 412/TTr-UBND", "To trinh 412-TTr-UBND", "proposal_budget", contents.budget_draft),
    _Plan("3", "verification", "Báo cáo thẩm tra 87/BC-KTNS", "Bao cao 87-BC-KTNS", "verification_budget", contents.verification),
    _Plan("3", "resolution", "Dự thảo Nghị quyết", "Du thao Nghi quyet ngan sach", "resolution_budget", contents.budget_draft),
    _Plan("3", "resolution", "Dự thảo Nghị quyết", "Du thao Nghi quyet ngan sach", "resolution_budget", contents.budget_draft, 2),
    _Plan("3", "annex", "Phụ lục III: bổ sung có mục tiêu", "Phu luc III", "annex_budget", contents.annex),
)


def make_papers(folder: Path, now: datetime, fonts: Path = FONTS) -> list[PaperFile]:
    """Every paper of the meeting on the day of `now`, as PDF files below `folder`, in the order of the agenda.

    What is there already is not set again. `fonts` holds the four full TTF files of Tinos; a letter that is
    missing there is an error (`typst.TypstError`), never a letter of another font.
    """
    found = sorted(fonts.glob("*.ttf"))
    if not found:
        raise FileNotFoundError(f"no Tinos in {fonts}")
    common = contents.common(now)
    sources = sha256(b"".join(path.read_bytes() for path in sorted(TEMPLATES.glob("*.typ")))).hexdigest()
    compiler: typst.Compiler | None = None
    files = []
    for plan in _PLANS:
        data = json.dumps(common | plan.data(now, plan.version), ensure_ascii=False, sort_keys=True)
        key = sha256(f"{typst.__version__} {sources} {plan.template} {data}".encode()).hexdigest()[:12]
        name = f"{plan.file} (ban {plan.version})" if plan.version > 1 else plan.file
        path = folder / key / f"{name}.pdf"
        if not path.exists():
            compiler = compiler or _compiler(fonts)
            _write(path, _set(compiler, plan.template, data, now))
        files.append(PaperFile(path, plan.item_key, plan.title, plan.kind, plan.version))
    return files


def _compiler(fonts: Path) -> Any:
    known = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(fonts)])
    return typst.Compiler(root=str(TEMPLATES), font_paths=known)


def _set(compiler: Any, template: str, data: str, now: datetime) -> bytes:
    midnight = now.astimezone(VIETNAM).replace(hour=0, minute=0, second=0, microsecond=0)
    pdf: bytes = compiler.compile(
        str(TEMPLATES / f"{template}.typ"),
        format="pdf",
        sys_inputs={"data": data},
        pdf_standards=["a-3a", "ua-1"],
        timestamp=int(midnight.timestamp()),
    )
    return pdf


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_bytes(content)
    draft.replace(path)
