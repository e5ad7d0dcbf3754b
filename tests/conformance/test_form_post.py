"""Form Post OP: `oidcc-formpost-basic-certification-test-plan` is the Basic list with `response_mode=form_post`."""

import pytest

from tests.conformance import test_basic
from tests.conformance.test_basic import app, second_browser

__all__ = ["app", "second_browser"]
globals().update({name: thing for name, thing in vars(test_basic).items() if name.startswith("test_")})


@pytest.fixture
def mode() -> str:
    return "form_post"
