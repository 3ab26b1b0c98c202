"""PDF pages that print every living script: fonts that are embedded, and shaping from right to left where it is so."""

import re
import unicodedata
from functools import cache
from pathlib import Path

from fontTools import unicodedata as scripts
from fontTools.ttLib import TTFont
from fpdf import FPDF

FONT_FOLDER = Path(__file__).with_name("fonts")
FAMILY, CHINESE = "NotoSans", "DroidSansFallback"
# Unicode's code of a script, and the name of the font that has it, where that is not the first one.
FONT_BY_SCRIPT = {
    "Adlm": "NotoSansAdlam",
    "Arab": "NotoSansArabic",
    "Armn": "NotoSansArmenian",
    "Bali": "NotoSansBalinese",
    "Bamu": "NotoSansBamum",
    "Beng": "NotoSansBengali",
    "Bopo": CHINESE,
    "Bugi": "NotoSansBuginese",
    "Cakm": "NotoSansChakma",
    "Cans": "NotoSansCanadianAboriginal",
    "Cham": "NotoSansCham",
    "Cher": "NotoSansCherokee",
    "Copt": "NotoSansCoptic",
    "Deva": "NotoSansDevanagari",
    "Ethi": "NotoSansEthiopic",
    "Geor": "NotoSansGeorgian",
    "Gujr": "NotoSansGujarati",
    "Guru": "NotoSansGurmukhi",
    "Hang": CHINESE,
    "Hani": CHINESE,
    "Hebr": "NotoSansHebrew",
    "Hira": CHINESE,
    "Java": "NotoSansJavanese",
    "Kana": CHINESE,
    "Khmr": "NotoSansKhmer",
    "Knda": "NotoSansKannada",
    "Lana": "NotoSansTaiTham",
    "Laoo": "NotoSansLao",
    "Lepc": "NotoSansLepcha",
    "Limb": "NotoSansLimbu",
    "Lisu": "NotoSansLisu",
    "Mlym": "NotoSansMalayalam",
    "Mong": "NotoSansMongolian",
    "Mtei": "NotoSansMeeteiMayek",
    "Mymr": "NotoSansMyanmar",
    "Nkoo": "NotoSansNKo",
    "Olck": "NotoSansOlChiki",
    "Orya": "NotoSansOriya",
    "Osge": "NotoSansOsage",
    "Rohg": "NotoSansHanifiRohingya",
    "Sinh": "NotoSansSinhala",
    "Sund": "NotoSansSundanese",
    "Syrc": "NotoSansSyriac",
    "Tale": "NotoSansTaiLe",
    "Talu": "NotoSansNewTaiLue",
    "Taml": "NotoSansTamil",
    "Tavt": "NotoSansTaiViet",
    "Telu": "NotoSansTelugu",
    "Tfng": "NotoSansTifinagh",
    "Tglg": "NotoSansTagalog",
    "Thaa": "NotoSansThaana",
    "Thai": "NotoSansThai",
    "Tibt": "NotoSerifTibetan",
    "Vaii": "NotoSansVai",
    "Yiii": "NotoSansYi",
}
# Right-to-left and other marks that steer the direction or the joining of letters, and are drawn as nothing.
UNDRAWN = frozenset("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad") | {chr(c) for c in range(0xFE00, 0xFE10)}
# Overriding and isolating marks turn the words around them: no name needs one.
REFUSED = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
REPLACEMENT = "\ufffd"
FROM_THE_RIGHT = ("R", "AL")  # the classes of letters that are written from right to left
LEFT_TO_RIGHT_MARK = "\u200e"
NUMBER = re.compile(r"(\s*\(?[^\w\s()]?\d[\d.,:/\u066b\u066c%-]*\)?\s*)")


@cache
def list_characters(font: str) -> frozenset[int]:
    """The code points that a font has."""
    with TTFont(find_font_file(font), lazy=True) as file:
        return frozenset(file.getBestCmap())


def find_font_file(font: str) -> Path:
    """Where a font's regular face is."""
    name = font if font == CHINESE else f"{font}-Regular"
    return FONT_FOLDER / f"{name}.ttf"


def find_font(character: str) -> str:
    """The font that prints the character; empty if none does."""
    candidates = (FONT_BY_SCRIPT.get(scripts.script(character), FAMILY), FAMILY, CHINESE)
    own = next((font for font in candidates if ord(character) in list_characters(font)), "")
    if own:
        return own
    # A sign that several scripts share stands with one of them, such as the dollar of Bengal or of Thailand.
    extended = (FONT_BY_SCRIPT.get(code, "") for code in sorted(scripts.script_extension(character)))
    return next((font for font in extended if font and ord(character) in list_characters(font)), "")


def is_printable(character: str) -> bool:
    """Whether the character is printed as itself, or is drawn as nothing by nature."""
    if character in REFUSED:
        return False
    return character in UNDRAWN or character in "\n\u00a0" or bool(find_font(character))


def make_printable(text: str) -> str:
    """`text`, composed, with a mark in the place of what no font has, such as pictures."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(character if is_printable(character) else REPLACEMENT for character in composed)


def order_numbers(line: str) -> str:
    """The line with the numbers between and after its words from right to left where a reader looks for them.

    In a line from left to right fpdf2 does not turn the order of such a run's pieces, and gives it the space behind it.
    """
    strong = (unicodedata.bidirectional(each) for each in line)
    if next((each for each in strong if each in ("L", *FROM_THE_RIGHT)), "L") != "L":
        return line
    for start, stop in reversed(list_runs(line)):
        line = line[:start] + order_run(line[start:stop]) + line[stop:]
    return line


def list_runs(line: str) -> list[tuple[int, int]]:
    """Where words from right to left begin and end, with all between them that no letter from left to right parts."""
    runs: list[tuple[int, int]] = []
    is_open = False
    for place, each in enumerate(line):
        kind = unicodedata.bidirectional(each)
        if kind in FROM_THE_RIGHT or (kind == "NSM" and runs and runs[-1][1] == place):
            start = runs.pop()[0] if is_open else place
            runs.append((start, place + 1))
            is_open = True
        elif kind == "L":
            is_open = False
    return runs


def order_run(run: str) -> str:
    """The words and the numbers between them in the order in which they are seen, each a run of its own."""
    pieces = [piece for piece in NUMBER.split(run) if piece]
    return LEFT_TO_RIGHT_MARK.join(["", *reversed(pieces), ""])


class WorldPdf(FPDF):
    """A4 pages in the fonts that their text needs; only the letters that are used are embedded."""

    def __init__(self, *, margin: int) -> None:
        super().__init__(format="A4")
        self.fallbacks: list[str] = []
        self.set_margins(margin, margin, margin)
        self.add_font(FAMILY, "", find_font_file(FAMILY))
        self.add_font(FAMILY, "B", FONT_FOLDER / f"{FAMILY}-Bold.ttf")
        self.set_text_shaping(use_shaping_engine=True)

    def prepare(self, text: str) -> str:
        """The text as it can be printed, once the fonts that it needs are there."""
        printable = make_printable(text)
        needed = {find_font(character) for character in printable} - {"", FAMILY, *self.fallbacks}
        for font in sorted(needed):
            self.add_font(font, "", find_font_file(font))
            self.fallbacks.append(font)
        if needed:
            self.set_fallback_fonts(self.fallbacks, exact_match=False)
        return "\n".join(order_numbers(line) for line in printable.split("\n"))
