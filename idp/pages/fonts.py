"""Which font files the stylesheet needs in `idp/static/fonts`; they come from npm packages at build time."""

WEIGHTS = (400, 500, 600, 700)
FONT_FILES = tuple(
    f"{package}/files/{package.removeprefix('@fontsource/')}-{subset}-{weight}-normal.woff2"
    for package, subset in (
        ("@fontsource/be-vietnam-pro", "latin"),
        ("@fontsource/be-vietnam-pro", "vietnamese"),
        ("@fontsource/inter", "latin"),
    )
    for weight in WEIGHTS
)
"""Paths below `node_modules`; each is copied under its own name."""
