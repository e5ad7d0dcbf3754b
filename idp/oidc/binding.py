"""To which key what is issued is bound, and that a token comes with the key that it is bound to."""

from authlib.oauth2.rfc6749 import InvalidRequestError

from idp.oidc.certificate import certificate, thumbprint
from idp.oidc.dpop import proven_key
from idp.oidc.endpoint import Call

JKT, X5T = "jkt", "x5t#S256"  # members of `cnf` (RFC 7800): RFC 9449, 6.1; RFC 8705, 3.1


def held_key(call: Call) -> dict[str, str]:
    """The proof of possession of a token request, as `cnf` has it; empty where none came and none is needed."""
    client, key = call.caller, {}
    if jkt := proven_key(call, client, nonce_needed=client.is_fapi):
        key[JKT] = jkt
    elif client.dpop_bound:
        raise InvalidRequestError("This client must prove its key by DPoP.")
    if client.tls_bound or (client.is_fapi and not key):
        presented = certificate(call)
        if presented is None:
            raise InvalidRequestError("This client must come with its certificate or prove its key by DPoP.")
        key[X5T] = thumbprint(presented)
    return key


def holds(call: Call, bound_to: dict[str, str], jkt: str | None) -> bool:
    """Whether the request comes with the key, of which it has proved `jkt`, and the certificate of a token's `cnf`."""
    presented = certificate(call) if X5T in bound_to else None
    return bound_to.get(JKT) == jkt and bound_to.get(X5T) == (thumbprint(presented) if presented else None)
