"""The invented companies of every practice accounting package."""

from typing import Any

AU: dict[str, Any] = {"slug": "au", "name": "Harbour IT Practice (AU)", "country": "AU", "currency": "AUD"}
NZ: dict[str, Any] = {"slug": "nz", "name": "Kauri Networks Practice (NZ)", "country": "NZ", "currency": "NZD"}
GB: dict[str, Any] = {"slug": "uk", "name": "Thames Support Practice (UK)", "country": "GB", "currency": "GBP"}
CA: dict[str, Any] = {"slug": "ca", "name": "Maple Networks Practice (CA)", "country": "CA", "currency": "CAD"}
SG: dict[str, Any] = {"slug": "sg", "name": "Straits Systems Practice (SG)", "country": "SG", "currency": "SGD"}
US: dict[str, Any] = {"slug": "us", "name": "Prairie Systems Practice (US)", "country": "US", "currency": "USD"}
