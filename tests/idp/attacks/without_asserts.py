"""Run with `python -O` by L21: what each guard answers when no `assert` is executed."""

import sys
from pathlib import Path

from idp.app import build
from tests.idp.conftest import APP, PASSWORD, House, fill, settings_for
from tests.idp.walk import OWN_PAGE, begin, code_for, exchange, name_then_password, read_form

url = f"sqlite:///{Path(sys.argv[1])}/idp.db"
filled = fill(url)
house = House(build(settings_for(url)), settings_for(url), filled)
browser = house.browser()
page = begin(browser)
found = [name_then_password(browser, page, "hanhnth", "wrong-password-1").status_code]
found.append(browser.post(read_form(page)[0], data={"username": "hanhnth"}, headers=OWN_PAGE).status_code)
stranger = {"grant_type": "client_credentials", "client_id": "web", "client_secret": "x"}
found.append(house.machine().post("/token", data=stranger).json()["error"])
code = code_for(house, browser, redirect_uri=f"{APP}/cb")
found.append(exchange(house, code, code_verifier="w" * 43).json()["error"])
found.append(house.machine().get("/userinfo", headers={"authorization": "Bearer a.b.c"}).status_code)
last = house.browser()
found.append(name_then_password(last, begin(last), "hanhnth", PASSWORD).status_code)
sys.stdout.write(" ".join(map(str, found)))
house.app.state.db.close()
