from shared.problems import Problem


class BridgeNameTaken(Problem):
    status = 409
    code = "bridge-name-taken"
