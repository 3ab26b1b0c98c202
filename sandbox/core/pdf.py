"""One page of text as a PDF file, in fonts that print what companies of the world are called."""

from __future__ import annotations

from pathlib import Path

from fpdf import FPDF

FONTS = Path(__file__).parents[2] / "wisepay" / "fonts"  # files only: the sandbox knows nothing of the product
MAIN = "NotoSans-Regular"
FALLBACKS = ("NotoSansArabic-Regular", "NotoSansHebrew-Regular", "NotoSansDevanagari-Regular", "DroidSansFallback")


def build_pdf_file(lines: list[tuple[int, str]]) -> bytes:
    """Lines of a size each, from the top of the page."""
    pdf = FPDF(format="A4")
    pdf.add_page()
    pdf.add_font(MAIN, "", FONTS / f"{MAIN}.ttf")
    if not all(text.isascii() for _, text in lines):
        for font in FALLBACKS:
            pdf.add_font(font, "", FONTS / f"{font}.ttf")
        pdf.set_fallback_fonts(FALLBACKS, exact_match=False)
        pdf.set_text_shaping(use_shaping_engine=True)
    for size, text in lines:
        pdf.set_font(MAIN, "", size)
        pdf.multi_cell(0, size * 0.6, text, align="L", new_x="LMARGIN", new_y="NEXT")
    return bytes(pdf.output())
