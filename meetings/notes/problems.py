from shared.problems import Problem


class NoteConflict(Problem):
    """Another device of the same person was first; `note` is what stands now."""

    status = 409
    code = "note-conflict"


class NoteEmpty(Problem):
    """The kind of note lacks what makes it: strokes, quads, or a place."""

    status = 422
    code = "note-empty"


class NotesFull(Problem):
    """Of the caller's notes on this paper no more are kept."""

    status = 409
    code = "notes-full"


class NotePageMissing(Problem):
    """`pages` is how many the version has."""

    status = 422
    code = "note-page-missing"
