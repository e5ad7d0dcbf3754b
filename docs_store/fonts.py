"""The font files that documents are set with. They come from a package at build time and are not part of the source.

npm `@expo-google-fonts/tinos` (SIL Open Font License 1.1): static files with every Vietnamese letter, metrics of Times New
Roman, which Decree 30/2020/NĐ-CP asks for.
"""

from pathlib import Path

FAMILY = "Tinos"
FOLDER = Path(__file__).parent / "fonts"
PACKAGE = "@expo-google-fonts/tinos"
FILES = {  # name here -> path in the package
    "Tinos_400Regular.ttf": "400Regular/Tinos_400Regular.ttf",
    "Tinos_400Regular_Italic.ttf": "400Regular_Italic/Tinos_400Regular_Italic.ttf",
    "Tinos_700Bold.ttf": "700Bold/Tinos_700Bold.ttf",
    "Tinos_700Bold_Italic.ttf": "700Bold_Italic/Tinos_700Bold_Italic.ttf",
    "LICENSE_FONT": "LICENSE_FONT",
}


def missing(folder: Path = FOLDER) -> list[str]:
    """Names of the files that are not in place; empty means documents can be set."""
    return [name for name in FILES if not (folder / name).is_file()]
