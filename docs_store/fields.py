"""Empty signature fields, made before the first signature so that the document stays accessible (PDF/UA) with them.

Each gets a name to be read aloud (/TU), an empty appearance (PDF/A wants one) and its place in the structure tree: a signing
library adds none of these, and after the first signature nobody may.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, String

PRINT_AND_LOCKED = 132  # annotation flags Print and Locked: ISO 32000-1, 12.5.3


@dataclass(frozen=True)
class Field:
    """`label` is read aloud; `page` counts from 0, -1 is the last; `box` is left, bottom, right, top in points."""

    name: str
    label: str
    page: int
    box: tuple[float, float, float, float]


def prepare(pdf: bytes, fields: Iterable[Field]) -> bytes:
    """A copy of a document without signatures, with the empty fields. The same input gives the same bytes."""
    with pikepdf.open(io.BytesIO(pdf)) as document:
        if "/AcroForm" not in document.Root:
            document.Root.AcroForm = document.make_indirect(Dictionary(Fields=Array()))
        for field in fields:
            document.Root.AcroForm.Fields.append(_add(document, field))
        buffer = io.BytesIO()
        document.save(buffer, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.preserve)
    return buffer.getvalue()


def _add(document: pikepdf.Pdf, field: Field) -> Any:
    page = document.pages[field.page]
    width, height = field.box[2] - field.box[0], field.box[3] - field.box[1]
    empty = document.make_stream(b"", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, width, height])
    widget = document.make_indirect(
        Dictionary(
            Type=Name.Annot,
            Subtype=Name.Widget,
            FT=Name.Sig,
            T=String(field.name),
            TU=String(field.label),
            F=PRINT_AND_LOCKED,
            Rect=Array(list(field.box)),
            P=page.obj,
            AP=Dictionary(N=empty),
        )
    )
    if "/Annots" not in page.obj:
        page.obj.Annots = Array()
    page.obj.Annots.append(widget)
    if "/StructTreeRoot" in document.Root:
        _enter_structure(document, page.obj, widget, field)
    return widget


def _enter_structure(document: pikepdf.Pdf, page: Any, widget: Any, field: Field) -> None:
    root = document.Root.StructTreeRoot
    top = root.K[0] if isinstance(root.K, Array) else root.K  # the Document element
    # /K must be the reference itself, not a list of one: pyHanko's difference analysis knows the field by this path only.
    reference = Dictionary(Type=Name.OBJR, Obj=widget, Pg=page)
    element = document.make_indirect(
        Dictionary(Type=Name.StructElem, S=Name.Form, P=top, Pg=page, Alt=String(field.label), K=reference)
    )
    inner = top.get("/K", Array())
    top.K = Array([*inner, element]) if isinstance(inner, Array) else Array([inner, element])
    parents = pikepdf.NumberTree(root.ParentTree)
    key = int(root.get("/ParentTreeNextKey", max(parents.keys(), default=-1) + 1))
    parents[key] = element
    root.ParentTreeNextKey = key + 1
    widget.StructParent = key
