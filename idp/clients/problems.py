from shared.problems import InvalidInput


class BadClientAddress(InvalidInput):
    """`field` names the metadata member whose address cannot be taken."""

    code = "bad-client-address"
