from shared.problems import Problem


class UsernameTaken(Problem):
    status = 409
    code = "username-taken"


class RowsInvalid(Problem):
    """`errors` is a list of {"row", "column", "rule"}; nothing was imported."""

    status = 422
    code = "rows-invalid"


class HeadingsMissing(Problem):
    """`columns` names the headings that the table must have."""

    status = 422
    code = "headings-missing"
