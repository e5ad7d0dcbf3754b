"""Why a file is refused, or cannot be given out."""

from shared.problems import Problem


class NotAPdf(Problem):
    status = 415
    code = "not-a-pdf"
    audited = True


class EncryptedPdf(Problem):
    status = 422
    code = "encrypted-pdf"
    audited = True


class BrokenPdf(Problem):
    """The file cannot be read, not even after repair."""

    status = 422
    code = "broken-pdf"
    audited = True


class HostilePdf(Problem):
    """`reason`: what was found, or which limit of the limited process it ran into."""

    status = 422
    code = "hostile-pdf"
    audited = True


class TooMuchInk(Problem):
    """`limit`: points of ink that one copy takes."""

    status = 422
    code = "too-much-ink"


class StateSecret(Problem):
    """`mark`: the classification found; `place`: declared, name, metadata or page. Decree 26/2020/NĐ-CP, article 2."""

    status = 422
    code = "state-secret"
    audited = True


class TooManyPages(Problem):
    status = 422
    code = "too-many-pages"


class PdfTooLarge(Problem):
    status = 413
    code = "pdf-too-large"


class NotATable(Problem):
    """Not a spreadsheet, or one that exceeds the limits; `reason` says which."""

    status = 422
    code = "not-a-table"


class MissingBlob(Problem):
    status = 404
    code = "missing-blob"


class DamagedBlob(Problem):
    """What lies in the store is not what was put there."""

    status = 500
    code = "damaged-blob"


class NoRoom(Problem):
    """The disk is full, or nearly: what is left is for the votes, the log and the minutes."""

    status = 507
    code = "no-room"


class ArchivedDocument(Problem):
    status = 409
    code = "archived-document"


class SigningFailed(Problem):
    """The key, its certificate or the field did not serve; nothing was signed."""

    status = 502
    code = "signing-failed"
    audited = True
