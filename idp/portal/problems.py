from shared.problems import Problem


class CurrentPasswordWrong(Problem):
    status = 422
    code = "current-password-wrong"


class PasswordsDiffer(Problem):
    status = 422
    code = "passwords-differ"
