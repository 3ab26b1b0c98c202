"""The words of a PDF."""

import pypdfium2


def get_pdf_text(document: bytes) -> str:
    """The words of a PDF as a reader copies them."""
    assert document.startswith(b"%PDF-")
    with pypdfium2.PdfDocument(document) as pdf:
        return "\n".join(page.get_textpage().get_text_bounded().replace("\r", "") for page in pdf)
