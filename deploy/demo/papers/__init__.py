"""The papers of the sample meeting, set by typst in the form of Decree 30/2020/NĐ-CP when they are first needed."""

import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from deploy.demo.meeting import VIETNAM
from deploy.demo.papers import contents
from docs_store.typeset import typeset

Kind = Literal["agenda", "report", "proposal", "verification", "resolution", "annex"]
TEMPLATES = Path(__file__).parent


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
    version: int = 1


_PLANS = (
    _Plan("1", "agenda", "Chương trình kỳ họp", "Chuong trinh 29-CTr-HDND", "agenda"),
    _Plan("2", "report", "Báo cáo 398/BC-UBND", "Bao cao 398-BC-UBND", "report_economy"),
    _Plan("2", "resolution", "Dự thảo Nghị quyết", "Du thao Nghi quyet kinh te xa hoi", "resolution_economy"),
    _Plan("3", "proposal", "Tờ trình 412/TTr-UBND", "To trinh 412-TTr-UBND", "proposal_budget"),
    _Plan("3", "verification", "Báo cáo thẩm tra 87/BC-KTNS", "Bao cao 87-BC-KTNS", "verification_budget"),
    _Plan("3", "resolution", "Dự thảo Nghị quyết", "Du thao Nghi quyet ngan sach", "resolution_budget"),
    _Plan("3", "resolution", "Dự thảo Nghị quyết", "Du thao Nghi quyet ngan sach", "resolution_budget", version=2),
    _Plan("3", "annex", "Phụ lục III: bổ sung có mục tiêu", "Phu luc III", "annex_budget"),
    _Plan("4", "proposal", "Tờ trình 405/TTr-UBND", "To trinh 405-TTr-UBND", "proposal_investment"),
    _Plan("4", "resolution", "Dự thảo Nghị quyết", "Du thao Nghi quyet dau tu cong", "resolution_investment"),
    _Plan("5", "proposal", "Tờ trình 409/TTr-UBND", "To trinh 409-TTr-UBND", "proposal_tuition"),
    _Plan("5", "resolution", "Dự thảo Nghị quyết", "Du thao Nghi quyet hoc phi", "resolution_tuition"),
    _Plan("6", "report", "Báo cáo 1286/BC-SXD", "Bao cao 1286-BC-SXD", "report_roads"),
    _Plan("7", "proposal", "Tờ trình 418/TTr-UBND", "To trinh 418-TTr-UBND", "proposal_personnel"),
)


def make_papers(folder: Path, now: datetime) -> list[PaperFile]:
    """Every paper of the meeting on the day of `now`, as PDF files below `folder`, in the order of the agenda.

    What is there already is not set again. `docs_store.typeset.TypesettingFailed` where the fonts are not in place.
    """
    midnight = now.astimezone(VIETNAM).replace(hour=0, minute=0, second=0, microsecond=0)
    sources = sha256(b"".join(path.read_bytes() for path in sorted(TEMPLATES.glob("*.typ")))).hexdigest()
    files = []
    for plan in _PLANS:
        data = contents.facts(now, plan.version)
        if plan.kind == "annex":
            data |= contents.annex(int(data["following"]))
        facts = json.dumps(data, ensure_ascii=False, sort_keys=True)
        key = sha256(f"{version('typst')} {sources} {plan.template} {facts}".encode()).hexdigest()[:12]
        name = f"{plan.file} (ban {plan.version})" if plan.version > 1 else plan.file
        path = folder / key / f"{name}.pdf"
        if not path.exists():
            _write(path, typeset(TEMPLATES / f"{plan.template}.typ", data, now=midnight))
        files.append(PaperFile(path, plan.item_key, plan.title, plan.kind, plan.version))
    return files


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)
