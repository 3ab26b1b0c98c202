"""Find what belongs to companies by a part of their names, however many rows and companies there are."""

from typing import ClassVar

from django.db.models import BooleanField, Model, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from merchants.listings import MerchantFilters
from merchants.models import Merchant
from payers.models import PayerCompany

FEW = 20  # companies, whose rows are sorted together in no time
MAX_COMPANIES = 200


class CompanyFilters(MerchantFilters):
    """The filters of a merchant's list whose rows belong to companies, by the path of that relation."""

    company_path: ClassVar[str] = "company"

    def filter_company[M: Model](self, rows: QuerySet[M], name: str, value: str) -> QuerySet[M]:
        """Those of companies whose name has the text. One statement.

        PostgreSQL can't tell how many those are. Few are known by their ids, whose rows an index finds; many are asked
        of each row in the order of the list, so that a page is soon full.
        """
        companies = PayerCompany.objects.filter(merchant=self.merchant, name__icontains=value).order_by()
        keys = list(companies.values_list("pk", flat=True)[: FEW + 1])
        if len(keys) <= FEW:
            return rows.filter(**{f"{self.company_path}__in": keys})
        of_any = Q(**{f"{self.company_path}__in": companies})
        return rows.filter(Coalesce(of_any, Value(False), output_field=BooleanField()))


def find_by_company(merchant: Merchant, text: str) -> list[Q]:
    """The condition that a row's company has the text in its name; none when no company has. One statement."""
    companies = PayerCompany.objects.filter(merchant=merchant, name__icontains=text).order_by("pk")
    keys = list(companies.values_list("pk", flat=True)[: MAX_COMPANIES + 1])
    return [Q(company__in=keys if len(keys) <= MAX_COMPANIES else companies)] if keys else []
