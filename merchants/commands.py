"""What operators' commands about one merchant have in common: how it is named."""

from django.core.management.base import CommandError
from django.db.models import Q

from merchants.models import Merchant

MERCHANT_HELP = "its reference, as in its console's addresses, or its name"


def find_merchant(text: str) -> Merchant:
    """The merchant with this reference, or the only one of this name. Raises CommandError."""
    found = list(Merchant.objects.filter(Q(reference=text) | Q(name__iexact=text)).order_by("pk"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandError(f"No merchant has the reference or the name {text!r}.", returncode=2)
    several = ", ".join(f"{m.reference} ({m.name})" for m in found)
    raise CommandError(f"Several merchants are called {text!r}: name one by its reference: {several}.", returncode=2)
