"""The outbox handlers of every folder of the accounting floor."""

import accounting.autopay.handlers
import accounting.configuration.handlers
import accounting.credits.handlers
import accounting.mirror.handlers
import accounting.payment_sync.handlers
import accounting.posting.handlers
import accounting.reconciliation.handlers  # noqa: F401 (they register themselves)
