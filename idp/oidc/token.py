from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError, UnauthorizedClientError, UnsupportedGrantTypeError
from fastapi import APIRouter, Request, Response

from idp.oidc.answers import issued, refusal
from idp.oidc.client_auth import authenticate
from idp.oidc.grants import GRANTS
from idp.oidc.params import FormPairs, Params, once
from shared import audit
from shared.clock import Now
from shared.db import Tx

router = APIRouter(include_in_schema=False)


@router.post("/token")
def token(request: Request, pairs: FormPairs, tx: Tx, now: Now) -> Response:
    params: Params = {}
    try:
        params = once(pairs)
        if "grant_type" not in params:
            raise InvalidRequestError("The grant_type is missing.")
        client = authenticate(tx, request, params)
        grant = GRANTS.get(params["grant_type"])
        if grant is None:
            raise UnsupportedGrantTypeError("")
        if params["grant_type"] not in client.grant_types:
            raise UnauthorizedClientError("The client may not use this grant_type.")
        return issued(grant(tx, now, request.app.state.settings, client, params))
    except OAuth2Error as error:
        audit.record(tx, now, "token.refused", actor=params.get("client_id", "-")[:100], error=error.error)
        return refusal(error)
