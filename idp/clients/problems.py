from shared.problems import InvalidInput


class BadClientAddress(InvalidInput):
    """`field` names the metadata member whose address cannot be taken."""

    code = "bad-client-address"


class TooWeakForProfile(InvalidInput):
    """`field` names the metadata member that the client's FAPI profile does not allow so."""

    code = "too-weak-for-profile"
