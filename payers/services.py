"""Orders about payer companies."""

from merchants.models import Merchant
from payers.models import PayerCompany, folded


def record_payer_company(merchant: Merchant, *, name: str, email: str, phone: str = "") -> PayerCompany:
    """The company of that name, made on first sight; its newest e-mail and phone are kept."""
    company, is_new = PayerCompany.objects.get_or_create(
        merchant=merchant,
        folded_name=folded(name),
        defaults={"name": " ".join(name.split()), "email": email, "phone": phone},
    )
    if not is_new and (company.email, company.phone) != (email, phone or company.phone):
        company.email, company.phone = email, phone or company.phone
        company.save(update_fields=["email", "phone"])
    return company
