"""Filter a merchant's lists by a part of a company's name, however many rows and companies there are."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import BooleanField, Model, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from merchants.models import Merchant
from payers.models import PayerCompany
from wisepay.lists.filters import ListFilters

FEW = 20  # companies, whose rows are sorted together in no time


class CompanyFilters(ListFilters):
    """The filters of a merchant's list whose rows belong to companies, by the path of that relation."""

    company_path: ClassVar[str] = "company"

    def __init__(self, data: Mapping[str, Any], queryset: QuerySet[Any], *, merchant: Merchant, **known: Any) -> None:
        self.merchant = merchant
        super().__init__(data, queryset, **known)

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
