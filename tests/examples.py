"""How many examples a property of a vendor's answers draws: 200, with THOROUGH 10,000, or what EXAMPLES says."""

import os

from hypothesis import HealthCheck, settings

IS_THOROUGH = bool(os.environ.get("THOROUGH"))
EXAMPLES = int(os.environ.get("EXAMPLES", 10_000 if IS_THOROUGH else 200))
how = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
