"""The lists of a merchant's console: one merchant's rows, with the days of its zone."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Model, QuerySet
from django.http import QueryDict

from merchants.models import Merchant
from wisepay.lists.filters import ListFilters
from wisepay.lists.listings import Listing


class MerchantFilters(ListFilters):
    """The filters of a merchant's list."""

    def __init__(self, data: Mapping[str, Any], queryset: QuerySet[Any], *, merchant: Merchant, **known: Any) -> None:
        self.merchant = merchant
        super().__init__(data, queryset, **known)


class MerchantListing[M: Model](Listing[M]):
    """A list of one merchant's rows; its filters are MerchantFilters."""

    def __init__(self, query: QueryDict, merchant: Merchant) -> None:
        self.merchant = merchant
        super().__init__(query, zone=merchant.zone, merchant=merchant)
