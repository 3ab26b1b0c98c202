"""What a password may not be made of: the words that anybody would try here first."""

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from wisepay.accounts.sign_in_context import list_merchant_names
from wisepay.models import User

# The product, whom it speaks with, and what it is about; a person's merchants are added.
WORDS = (
    "wisepay", "connectwise", "orderporter", "cloudradial", "quickbooks", "intuit", "stripe", "xero", "microsoft",
    "admin", "login", "password", "passwort", "invoice", "payment", "paynow", "merchant", "welcome", "secret",
    "letmein",
)  # fmt: skip
SHORTEST_WORD = 4
LEAST_LEFT = 8  # characters besides such words
LOOKALIKES = str.maketrans("0134578@$!", "oieastbasi")


class ContextWordsValidator:
    """Refuses passwords that are little more than words of their surroundings (ASVS 5.0, 6.2.11)."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Raises ValidationError."""
        left = fold(password)
        for word in sorted({*WORDS, *list_own_words(user)}, key=len, reverse=True):
            left = left.replace(word, "")
        if len(left) < min(LEAST_LEFT, len(password)) and left != fold(password):
            raise ValidationError(self.get_help_text(), code="password_of_context")

    def get_help_text(self) -> str:
        """What to do instead."""
        return _("Use something else than words that have to do with this page, such as names of companies.")


def fold(text: str) -> str:
    """The letters and digits of a text, in small letters, digits that stand for letters as those letters."""
    return re.sub(r"[\W_]", "", text.lower().translate(LOOKALIKES))


def list_own_words(user: User | None) -> set[str]:
    """The words in the names of the merchants for which the person has an account."""
    names = list_merchant_names(user) if user is not None and user.pk else []
    words = {fold(word) for name in names for word in name.split()} | {fold(name) for name in names}
    return {word for word in words if len(word) >= SHORTEST_WORD}
