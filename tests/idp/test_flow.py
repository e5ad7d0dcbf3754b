from tests.idp.conftest import House
from tests.idp.walk import answer_of, begin, exchange, sign_in


def test_smoke(house: House) -> None:
    browser = house.browser()
    page = begin(browser)
    assert page.status_code == 200, page.text
    done = sign_in(browser, page)
    answer = answer_of(done)
    got = exchange(house, answer["code"])
    assert got.status_code == 200, got.text
    print(got.json())
    me = house.machine().get("/userinfo", headers={"authorization": f"Bearer {got.json()['access_token']}"})
    print(me.text)
    assert me.json()["name"]
    home = browser.get("/")
    assert home.status_code == 200, home.text
