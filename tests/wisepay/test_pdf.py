"""PDFs print every living script and every currency sign, from right to left where that is so.

crater#42, cashier-stripe#781, PrestaShop#9817, wkhtmltopdf#5090: letters and signs became question marks or boxes.
"""

import unicodedata

import pypdfium2
import pytest
from babel.numbers import get_currency_symbol, list_currencies

from wisepay.pdf import FAMILY, FONT_BY_SCRIPT, REPLACEMENT, WorldPdf, find_font, find_font_file, make_printable

# A company of each script, as its own people write it.
NAMES = [
    "Łódź Żółć sp. z o.o.",
    "Žluťoučký kůň a.s.",
    "Škoda – “Ñandú” ÆØÅ þð",
    "Tiếng Việt Nguyễn",
    "İstanbul Şirketi ğı",
    "Ελληνική Εταιρεία ΑΕ",
    "ООО Ромашка Їжак",
    "株式会社テスト商事",
    "かぶしきがいしゃ",
    "北京科技有限公司",
    "臺灣電腦股份有限公司",
    "주식회사 삼성전자",
    "שירותי מחשוב בע״מ",
    "شركة الاختبار المحدودة",
    "شرکت پارسی گستران",
    "हिन्दी क्षत्रिय कंपनी",
    "বাংলা কোম্পানি",
    "ਪੰਜਾਬੀ ਕੰਪਨੀ",
    "ગુજરાતી કંપની",
    "தமிழ் நிறுவனம்",
    "తెలుగు సంస్థ",
    "ಕನ್ನಡ ಕಂಪನಿ",
    "മലയാളം കമ്പനി",
    "සිංහල සමාගම",
    "ଓଡ଼ିଆ କମ୍ପାନୀ",
    "บริษัท ไทย จำกัด",
    "ບໍລິສັດ ລາວ",
    "ក្រុមហ៊ុន ខ្មែរ",
    "မြန်မာ ကုမ္ပဏီ",
    "ქართული კომპანია",
    "Հայկական ընկերություն",
    "የኢትዮጵያ ኩባንያ",
    "བོད་ཀྱི་ཚོང་ལས།",
]


def render(*lines: str, style: str = "") -> pypdfium2.PdfDocument:
    """A document of these lines."""
    pdf = WorldPdf(margin=20)
    pdf.add_page()
    for line in lines:
        text = pdf.prepare(line)
        pdf.set_font(FAMILY, style, 14)
        pdf.multi_cell(170, 9, text, align="L", new_x="LMARGIN", new_y="NEXT")
    return pypdfium2.PdfDocument(bytes(pdf.output()))


def read(document: pypdfium2.PdfDocument) -> str:
    """Its words as a reader copies them."""
    return "\n".join(page.get_textpage().get_text_bounded() for page in document)


def list_characters(text: str) -> list[str]:
    """Its letters and signs, in any order: shaped scripts are copied in the order of their glyphs."""
    return sorted(each for each in unicodedata.normalize("NFKD", text) if unicodedata.category(each)[0] in "LNS")


@pytest.mark.parametrize("style", ["", "B"])
@pytest.mark.parametrize("name", NAMES)
def test_every_script_is_printed(name: str, style: str) -> None:
    assert make_printable(name) == unicodedata.normalize("NFC", name)
    assert set(list_characters(read(render(name, style=style)))) == set(list_characters(name))


def test_every_script_leaves_ink() -> None:
    """A glyph that is missing in the embedded font would be copied all the same, and print nothing."""
    for name in NAMES:
        ink = sum(render(name)[0].render(scale=1).to_pil().convert("L").histogram()[:128])
        assert ink > 20 * len(name) / 4, name


def test_every_sign_of_a_currency_is_printed() -> None:
    signs = {get_currency_symbol(code, locale="en_AU") for code in list_currencies()}
    signs |= {chr(code) for code in range(0x20A0, 0x20C0)} | set("$¢£¤¥৳฿៛₾₼₸﷼")
    lost = {sign for sign in signs if REPLACEMENT in make_printable(sign)}
    assert lost == set()
    printed = " ".join(sorted(signs - {"﷼"}))
    assert set(list_characters(read(render(printed)))) >= set(list_characters(printed))


def test_right_to_left_words_stand_from_right_to_left() -> None:
    """The first letter of a Hebrew or an Arabic word is the one at the right."""
    for word in ("שלום", "سلام"):
        page = render(word)[0].get_textpage()
        boxes = [page.get_charbox(place) for place in range(page.count_chars())]
        read_characters = [page.get_text_range(place, 1) for place in range(page.count_chars())]
        first = next(place for place, each in enumerate(read_characters) if each == word[0])
        last = next(place for place, each in enumerate(read_characters) if each == word[-1])
        assert boxes[first][0] > boxes[last][0]


def test_arabic_letters_are_joined() -> None:
    """Four letters by themselves are wider than the word that they make."""
    assert measure_width("سلام") < measure_width("\u200c".join("سلام"))


def measure_width(word: str) -> float:
    """How wide a word is printed, in points."""
    page = render(word)[0].get_textpage()
    boxes = [page.get_charbox(place) for place in range(page.count_chars())]
    return float(max(box[2] for box in boxes) - min(box[0] for box in boxes))


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("e\u0301te\u0301", "été"),
        ("a\x07b\u202ec", f"a{REPLACEMENT}b{REPLACEMENT}c"),
        ("\U0001f600", REPLACEMENT),
        ("a\u200bb\u200d\ufe0f", "a\u200bb\u200d\ufe0f"),
        ("two\nlines\u00a0here", "two\nlines\u00a0here"),
        ("", ""),
    ],
)
def test_what_no_font_has_is_marked(text: str, printed: str) -> None:
    assert make_printable(text) == printed


def test_every_font_is_there_with_its_licence_and_prints_its_script() -> None:
    for font in {FAMILY, *FONT_BY_SCRIPT.values()}:
        assert find_font_file(font).is_file(), font
    folder = find_font_file(FAMILY).parent
    names = {path.name for path in folder.glob("*.ttf")}
    used = {find_font_file(font).name for font in {FAMILY, *FONT_BY_SCRIPT.values()}} | {f"{FAMILY}-Bold.ttf"}
    assert names == used
    assert {"OFL.txt", "APACHE-2.0.txt", "README.md"} <= {path.name for path in folder.iterdir()}
    assert find_font("A") == FAMILY


def test_only_the_letters_that_are_used_are_embedded() -> None:
    pdf = WorldPdf(margin=20)
    pdf.add_page()
    text = pdf.prepare("株式会社 ₹5,000.00")
    pdf.set_font(FAMILY, "", 10)
    pdf.cell(100, 8, text)
    assert len(pdf.output()) < 40_000


# ---- numbers beside words from right to left ---------------------------------------------------------


def find_left_edges(line: str, *parts: str) -> list[float]:
    """Where the parts of a printed line begin at the left, by their characters: words are copied as they are seen."""
    page = render(line)[0].get_textpage()
    characters = [page.get_text_range(place, 1) for place in range(page.count_chars())]
    edges = []
    for part in parts:
        places = [place for place, each in enumerate(characters) if each in part]
        edges.append(min(page.get_charbox(place)[0] for place in places))
    return edges


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("Invoice سلام 625.30", ["Ivo", "سلام", "625.30"]),
        ("Questions? سلام: 5550", ["Qu", "سلام", "5550"]),
        ("Paid by سلام 24 Visa", ["Pa", "سلام", "24", "V"]),
        ("Paid by שלום 24 Visa", ["Pa", "שלום", "24", "V"]),
        ("Paid by سم 24 دو 17", ["Pa", "دو", "24", "سم", "17"]),
        ("Paid by سم ٢٤ دو", ["Pa", "دو", "٢٤", "سم"]),
        ("Paid by سم (24) دو Ltd", ["Pa", "دو", "24", "سم", "Lt"]),
        ("سلام 24", ["24", "سلام"]),
        ("سم Acme 17 دو", ["دو", "Ame", "17", "سم"]),
    ],
)
def test_a_number_stands_where_a_reader_looks_for_it(line: str, seen: list[str]) -> None:
    """Unicode's bidirectional algorithm (unicode.org/reports/tr9): a line from left to right stays in that order."""
    edges = find_left_edges(line, *seen)
    assert edges == sorted(edges), dict(zip(seen, edges, strict=True))


def test_words_and_the_numbers_beside_them_keep_a_space_between_them() -> None:
    page = render("Invoice سلام 625")[0].get_textpage()
    boxes = {page.get_text_range(place, 1): page.get_charbox(place) for place in range(page.count_chars())}
    arabic = max(boxes[each][2] for each in "سلم")
    assert boxes["6"][0] - arabic > 2
    assert min(boxes[each][0] for each in "سلم") - boxes["e"][2] > 2
