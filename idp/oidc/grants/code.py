from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oauth2.rfc7636.challenge import CODE_VERIFIER_PATTERN

from idp.oidc import store
from idp.oidc.endpoint import Call
from idp.oidc.issuing import asked_for, narrowed, revoke, tokens
from idp.oidc.living import read_grant
from idp.oidc.store import Kind
from shared import audit
from shared.ids import same


def exchange_code(call: Call) -> dict[str, Any]:
    """The authorization code grant (RFC 6749, 4.1.3): one use, and any second use ends all that came of the first."""
    if "code" not in call.params:
        raise InvalidRequestError("The code is missing.")
    code = store.use(call.tx, Kind.CODE, call.params["code"], call.now)
    if code is None or code.grant_id is None:
        raise InvalidGrantError("The code is not valid.")
    if code.used_at:
        audit.record(call.tx, call.now, "code.reused", actor=call.caller.id, object=code.grant_id)
        revoke(call.tx, call.now, code.grant_id, "code-reused", actor=call.caller.id)
        raise InvalidGrantError("The code is not valid.")
    # Burnt whatever follows: who fails now is not the client that asked.
    living = read_grant(call.tx, code.grant_id)
    if living is None or living.client_id != call.caller.id or call.now >= code.expires_at:
        raise InvalidGrantError("The code is not valid.")
    living = narrowed(call.tx, living, call.caller)
    if not living.is_living(call.now, call.settings):
        raise InvalidGrantError("The code is not valid.")
    if call.params.get("redirect_uri") != code.body["redirect_uri"]:
        raise InvalidGrantError("The redirect_uri is not the one of the authorization request.")
    if code.body.get("dpop_jkt") not in (None, call.key.get("jkt")):
        raise InvalidGrantError("The code is bound to another key.")
    _check_verifier(call.params.get("code_verifier"), code.body["code_challenge"])
    return tokens(call, asked_for(call, living), nonce=True)


def _check_verifier(verifier: str | None, challenge: str) -> None:
    """RFC 7636, 4.6. A verifier without a challenge is refused too: somebody has cut the challenge out (RFC 9700, 4.8.2)."""
    if not challenge and verifier is None:
        return
    good = verifier is not None and CODE_VERIFIER_PATTERN.fullmatch(verifier)
    if not good or not same(create_s256_code_challenge(verifier), challenge):
        raise InvalidGrantError("The code_verifier does not match.")
