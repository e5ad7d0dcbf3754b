"""Settings for the OpenID Foundation's conformance suite: `python -m deploy.conformance`; see docs/conformance.md."""
