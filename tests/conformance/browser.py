"""A browser without scripts: it follows redirects within the provider, keeps cookies, and sends forms as they stand."""

import ssl
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2

from tests.idp.conftest import PASSWORD


@dataclass
class Form:
    """A form of a page; `buttons` are its named submit buttons as (id, name, value)."""

    id: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """What a person could use of a page: forms, links by id, every id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.images: list[str] = []
        self.ids: set[str] = set()
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if "id" in known:
            self.ids.add(known["id"])
        if tag == "form":
            self.forms.append(Form(known.get("id", ""), known.get("action", "")))
            self._inside = True
        elif tag == "a" and "id" in known:
            self.links[known["id"]] = known.get("href", "")
        elif tag == "img":
            self.images.append(known.get("src", ""))
        elif self._inside and tag == "input" and "name" in known:
            self.forms[-1].fields[known["name"]] = known.get("value", "")
        elif self._inside and tag == "button" and "name" in known:
            self.forms[-1].buttons.append((known.get("id", ""), known["name"], known.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


@dataclass(frozen=True)
class Landing:
    """Where the browser left the provider: by redirect, or by a form that its page posts (`form`)."""

    url: str
    form: dict[str, str] | None = None

    @property
    def params(self) -> dict[str, str]:
        if self.form is not None:
            return self.form
        parts = urlsplit(self.url)
        return dict(parse_qsl(parts.query or parts.fragment))


class Browser:
    """One person's browser. `page` is what it shows; `landing` is set once it has left the provider."""

    def __init__(self, issuer: str, language: str = "vi", trust: ssl.SSLContext | bool = True) -> None:
        self.issuer = issuer
        headers = {"accept": "text/html", "accept-language": language}
        self.http = httpx2.Client(follow_redirects=False, headers=headers, trust_env=False, timeout=30, verify=trust)
        self.answer: httpx2.Response
        self.landing: Landing | None = None
        self.visited: list[str] = []

    @property
    def page(self) -> Page:
        return Page(self.answer.text)

    def go(self, url: str) -> "Browser":
        self.landing, self.visited = None, []
        return self._follow(self.http.get(urljoin(self.issuer, url)))

    def post_from_elsewhere(self, url: str, data: dict[str, str]) -> "Browser":
        """A form on another site: cookies that are SameSite=Lax stay at home."""
        self.landing, self.visited = None, []
        return self._follow(httpx2.post(url, data=data, follow_redirects=False, headers={"accept": "text/html"}, timeout=30))

    def _follow(self, answer: httpx2.Response) -> "Browser":
        self.http.cookies.update(answer.cookies)
        while answer.is_redirect:
            url = urljoin(str(answer.url), answer.headers["location"])
            if not url.startswith(f"{self.issuer}/"):
                self.landing = Landing(url)
                break
            self.visited.append(urlsplit(url).path)
            answer = self.http.get(url)
        self.answer = answer
        posted = next((form for form in self.page.forms if form.id == "form-post"), None)
        if posted:
            self.landing = Landing(posted.action, posted.fields)
        return self

    def click(self, link_id: str) -> "Browser":
        return self.go(self.page.links[link_id])

    def send(self, button: str | None = None, **fields: str) -> "Browser":
        """Send the form that has this button (by its id or its name), or these fields."""
        forms = self.page.forms
        if button:
            form = next(form for form in forms if any(button in one[:2] for one in form.buttons))
            fields |= {name: value for one, name, value in form.buttons if button in (one, name)}
        else:
            form = next(form for form in forms if fields.keys() <= form.fields.keys())
        url = urljoin(str(self.answer.url), form.action)
        headers = {"sec-fetch-site": "same-origin", "origin": self.issuer}
        return self._follow(self.http.post(url, data=form.fields | fields, headers=headers))

    def sign_in(self, username: str = "hanhnth", password: str = PASSWORD) -> "Browser":
        """From the first page of the sign-in (or the choice of an account) to what follows."""
        if "another-account" in self.page.links:
            self.click("another-account")
        if any("username" in form.fields and "password" not in form.fields for form in self.page.forms):
            self.send(username=username)
        self.send(password=password)
        return self

    def allow(self) -> "Browser":
        """On the consent page, if that is what it shows."""
        return self.send(button="consent-allow") if "consent-allow" in self.page.ids else self

    def landed(self) -> Landing:
        assert self.landing, f"still at {self.answer.url}: {self.answer.status_code} {self.answer.text[:3000]}"
        return self.landing
