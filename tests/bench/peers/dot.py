"""django-oauth-toolkit in one file, on SQLite as durable as ours. `python dot.py` makes its database; gunicorn the rest."""

import os
from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

HERE = Path(os.environ["BENCH_FOLDER"])
KEY = HERE / "rsa.pem"
FIELDS = '{% csrf_token %}{{ form.as_p }}<input type="hidden" name="next" value="{{ next }}">'
PAGE = f'<form method="post">{FIELDS}<button>ok</button></form>'
FIRST = "django.contrib."

settings.configure(
    SECRET_KEY=os.environ["SECRET"] * 2,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[FIRST + "auth", FIRST + "contenttypes", FIRST + "sessions", "oauth2_provider"],
    MIDDLEWARE=[
        FIRST + "sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        FIRST + "auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"registration/login.html": PAGE})]},
        }
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": HERE / "dot.sqlite3",
            "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;", "transaction_mode": "IMMEDIATE"},
        }
    },
    USE_TZ=True,
    LOGIN_URL="/accounts/login/",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "PKCE_REQUIRED": True,
        "ROTATE_REFRESH_TOKEN": True,
        "SCOPES": {"openid": "OpenID", "read": "Read"},
        "OIDC_RSA_PRIVATE_KEY": KEY.read_text() if KEY.exists() else "",
    },
)
application = get_wsgi_application()
urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("accounts/", include("django.contrib.auth.urls")),
]


def prepare() -> None:
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import get_application_model

    call_command("migrate", verbosity=0)
    password = make_password(os.environ["PASSWORD"])
    User.objects.bulk_create([User(username=f"user{number}", password=password) for number in range(200)])
    for client_id, grant in (("bench-rs256", "authorization-code"), ("bench-machine", "client-credentials")):
        get_application_model().objects.create(
            client_id=client_id,
            client_secret=os.environ["SECRET"],
            hash_client_secret=False,  # ours is kept as a SHA-256 digest: as cheap
            client_type="confidential",
            authorization_grant_type=grant,
            redirect_uris=os.environ["REDIRECT_URI"],
            algorithm="RS256",
            skip_authorization=True,
        )


if __name__ == "__main__":
    django.setup()
    prepare()
