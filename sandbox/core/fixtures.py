"""The invented companies of every practice accounting package."""

from typing import Any

AU: dict[str, Any] = {"slug": "au", "name": "Harbour IT Practice (AU)", "country": "AU", "currency": "AUD"}
NZ: dict[str, Any] = {"slug": "nz", "name": "Kauri Networks Practice (NZ)", "country": "NZ", "currency": "NZD"}
US: dict[str, Any] = {"slug": "us", "name": "Prairie Systems Practice (US)", "country": "US", "currency": "USD"}
