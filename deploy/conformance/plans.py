"""The plans of the conformance suite that idp is run against, and what the suite's browser does on idp's pages.

The browser knows pages by their addresses and elements by their ids: `tests/deploy/test_conformance.py` checks both.
"""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
SECONDS = 10
PROBLEM = "//*[starts-with(@id,'problem-')]"
DYNAMIC = "[server_metadata=discovery][client_registration=dynamic_client]"
FAPI = "[client_auth_type=private_key_jwt][sender_constrain=dpop][fapi_profile=plain_fapi][openid=openid_connect]"
FAPI += "[authorization_request_type=simple]"


@dataclass(frozen=True)
class Plan:
    """`arguments` are the plan and its variants as the suite's run-test-plan.py takes them."""

    name: str
    arguments: str
    profile: str = ""  # of the clients that are registered for it beforehand; empty: they register themselves


PLANS = (
    Plan("basic", f"oidcc-basic-certification-test-plan{DYNAMIC}"),
    Plan("config", "oidcc-config-certification-test-plan"),
    Plan("dynamic", "oidcc-dynamic-certification-test-plan[response_type=code]"),
    Plan("formpost", f"oidcc-formpost-basic-certification-test-plan{DYNAMIC}"),
    Plan("third-party-init", "oidcc-3rdparty-init-login-certification-test-plan[response_type=code]"),
    Plan("rp-initiated", f"oidcc-rp-initiated-logout-certification-test-plan[response_type=code]{DYNAMIC}"),
    Plan("backchannel", f"oidcc-backchannel-rp-initiated-logout-certification-test-plan[response_type=code]{DYNAMIC}"),
    Plan("frontchannel", f"oidcc-frontchannel-rp-initiated-logout-certification-test-plan[response_type=code]{DYNAMIC}"),
    Plan("session", f"oidcc-session-management-certification-test-plan[response_type=code]{DYNAMIC}"),
    Plan("fapi2-sp", f"fapi2-security-profile-final-test-plan{FAPI}", profile="fapi2"),
    Plan(
        "fapi2-ms",
        f"fapi2-message-signing-final-test-plan{FAPI}[fapi_request_method=signed_non_repudiation][fapi_response_mode=jarm]",
        profile="fapi2-message-signing",
    ),
)
REFUSED = (  # modules that end on a page of ours because the redirect URI cannot be trusted
    "oidcc-ensure-registered-redirect-uri",
    "oidcc-ensure-redirect-uri-in-authorization-request",
    "oidcc-redirect-uri-query-mismatch",
    "oidcc-redirect-uri-query-added",
)
SHOWN = {  # modules that want a picture of the first page with this element on it
    "oidcc-registration-logo-uri": "client-logo",
    "oidcc-registration-policy-uri": "client-policy",
    "oidcc-registration-tos-uri": "client-terms",
}
LOGOUT_REFUSED = (
    "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri",
    "oidcc-rp-initiated-logout-modified-id-token-hint",
    "oidcc-rp-initiated-logout-bad-id-token-hint",
    "oidcc-rp-initiated-logout-no-id-token-hint",
    "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri",
)
REJECTED = "fapi2-security-profile-final-user-rejects-authentication"


@dataclass(frozen=True)
class Place:
    """Where idp and the suite stand, and who signs in. Addresses without a slash at the end."""

    issuer: str
    suite: str
    username: str
    password: str

    def config(self, plan: Plan, clients: Json) -> Json:
        """The configuration of one plan; `clients` are its `client` and `client2`, where they do not register themselves."""
        alias = f"dienhong-{plan.name}"
        return {
            "alias": alias,
            "description": f"Diên Hồng, {plan.name}",
            "server": {"discoveryUrl": f"{self.issuer}/.well-known/openid-configuration"},
            "client": {"client_name": "first"},
            "client2": {"client_name": "second"},
            **clients,
            **({"resource": {"resourceUrl": f"{self.issuer}/userinfo"}} if plan.profile else {}),
            "browser": [self._authorize(plan), self._end_session()],
            "override": self._overrides(plan),
        }

    def _overrides(self, plan: Plan) -> Json:
        refused = [self._entry("authorize", self._refused("authorize"))]
        logout_refused = [self._authorize(plan), self._entry("end_session", self._refused("end_session"))]
        return {
            **{module: {"browser": refused} for module in REFUSED},
            **{module: {"browser": [self._entry("authorize", self._shown(element))]} for module, element in SHOWN.items()},
            **{module: {"browser": logout_refused} for module in LOGOUT_REFUSED},
            REJECTED: {"browser": [self._authorize(plan, decision="consent-deny")]},
        }

    def _entry(self, path: str, *tasks: Json) -> Json:
        return {"match": f"{self.issuer}/{path}*", "tasks": list(tasks)}

    def _task(self, name: str, path: str, *commands: list[Any], optional: bool = True) -> Json:
        # A path of the suite's is told from ours by its origin: it stands as redirect_uri in our addresses, too.
        address = path if path.startswith("https:") else f"{self.issuer}/{path}"
        return {"task": name, "optional": optional, "match": f"{address}*", "commands": list(commands)}

    def _authorize(self, plan: Plan, decision: str = "consent-allow") -> Json:
        name = ["text", "id", "username", self.username]
        tasks = [
            self._task("User name", "login?", _picture("id", "username", "-optional"), name, ["click", "id", "submit"]),
            self._task("Password", "login/password", ["text", "id", "password", self.password], ["click", "id", "submit"]),
            self._task("Consent", "consent", ["click", "id", decision]),
        ]
        if plan.name == "formpost":
            tasks.append(self._task("Send", "authorize", ["click", "id", "continue", "optional"]))
        elif plan.profile:
            tasks.append(self._task("Refused", "authorize", _picture("xpath", PROBLEM, "-optional")))
        done = ["wait", "id", "submission_complete", SECONDS]
        return self._entry("authorize", *tasks, self._task("Verify complete", f"{self.suite}/test/", done))

    def _end_session(self) -> Json:
        return self._entry(
            "end_session",
            self._task("Confirm", "end_session", ["click", "id", "logout-confirm", "optional"]),
            self._task("Signed out", "signed-out", _picture("id", "signed-out", "-optional")),
            self._task("Verify complete", f"{self.suite}/test/"),
        )

    def _refused(self, path: str) -> Json:
        return self._task("Refused", path, _picture("xpath", PROBLEM), optional=False)

    def _shown(self, element: str) -> Json:
        return self._task("Shown", "login?", _picture("id", element), optional=False)


def _picture(kind: str, target: str, optional: str = "") -> list[Any]:
    return ["wait", kind, target, SECONDS, ".*", f"update-image-placeholder{optional}"]


EXPECTED_FAILURES = [
    {
        "test-name": "oidcc-discovery-endpoint-verification",
        "variant": "*",
        "configuration-filename": "*dynamic.json",
        "current-block": "",
        "condition": condition,
        "expected-result": "failure",
        "comment": "the profile wants the implicit flow, which RFC 9700 forbids and idp does not have",
    }
    for condition in (
        "OIDCCCheckDiscEndpointResponseTypesSupportedDynamic",
        "OIDCCCheckDiscEndpointGrantTypesSupportedDynamic",
    )
]
EXPECTED_SKIPS = [
    {"test-name": module, "variant": "*", "configuration-filename": "*.json"}  # unsigned: `none` is not advertised
    for module in (
        "oidcc-idtoken-unsigned",
        "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported",
        "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
        "oidcc-request-uri-unsigned",
        "oidcc-ensure-request-object-with-redirect-uri",
    )
]
