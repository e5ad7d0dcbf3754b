from shared.problems import Problem


class PaperAlreadyPublished(Problem):
    """Who may open a paper is settled before it goes out; afterwards it is withdrawn and put in anew."""

    status = 409
    code = "paper-already-published"


class NothingToPublish(Problem):
    status = 409
    code = "nothing-to-publish"
