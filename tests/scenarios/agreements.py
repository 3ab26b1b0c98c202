"""Scenarios of PSA's agreements: read, proposed to the payer, and accepted."""

from collections.abc import Callable
from typing import ClassVar

from django.test import Client

from accounting.models import AutoPayMapping
from merchants.models import Terms
from merchants.terms.services import get_current_terms
from payments.models import SavedMethod
from psa.agreements.models import PsaAgreement
from psa.agreements.proposals import describe_question
from psa.models import PsaConnection
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.payments.consent_form import get_saving_terms
from tests.psa.scene import PsaScene, connect
from tests.scenarios.autopay import enable_autopay
from tests.scenarios.base import Scenario


def connect_once(scenario: Scenario) -> PsaScene:
    """The PSA of the scenario's merchant, connected the first time."""
    found = PsaConnection.objects.filter(merchant=scenario.tenant.merchant, state="connected").first()
    return PsaScene(scenario.tenant, found) if found else connect(scenario.tenant)


class AgreementScenario(Scenario):
    """An agreement is read, proposed to its payer by the merchant's people, and accepted by the payer."""

    interrupt_from: ClassVar[str] = "request"

    def set_up(self) -> None:
        name, email = f"Harbour Dental {self.number}", f"payer{self.number}@example.com"
        self.billing = InvoiceScenario(self.tenant, name=name, email=email)
        enable_autopay(self.tenant)
        form = {"company": self.billing.company.reference, "method": "card", "shares": "1"}
        form |= {"confirmation_token": self.tenant.confirmation_token(self.card)}
        terms = {"accepted_terms": get_saving_terms(self.tenant.merchant, "card")}
        self.billing.client.post("/my/methods", form | terms, headers={"Accept": "application/json"})
        self.method = SavedMethod.objects.get(company=self.billing.company, state="active")
        self.scene = connect_once(self)
        row = {
            "name": f"Agreement {self.number}",
            "company": {"id": self.number, "name": name},
            "billingTerms": {"id": 1, "name": "Net 14 days"},
            "agreementStatus": "Active",
        }
        self.scene.control(insert={"table": "agreements", "rows": [row]})

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.request, self.run_worker, self.decide, self.run_worker, self.accept, self.run_worker]

    def post(self, client: Client, path: str, **form: str) -> None:
        """Somebody presses a button."""
        with self.stopper.process():
            client.post(path, form)

    def request(self) -> None:
        """Somebody has the agreements read."""
        self.post(self.tenant.admin, self.tenant.url("psa/agreements/read"))

    @property
    def row(self) -> PsaAgreement:
        """The agreement, read afresh."""
        return PsaAgreement.objects.select_related("mapping").get(name=f"Agreement {self.number}")

    def decide(self) -> None:
        """An admin says whose it is and what its term means, and has the payer asked."""
        terms = self.tenant.url("configure/merchants/integrations/psa/terms")
        self.post(self.tenant.admin, terms, term_1=self.tenant.merchant.billing_terms.get().reference)
        path = self.tenant.url(f"psa/agreements/{self.row.reference}/decisions")
        self.post(self.tenant.admin, path, act="link", company=self.billing.name)
        shown = describe_question(self.billing.company, self.tenant.merchant.billing_terms.get())
        self.post(self.tenant.admin, path, act="ask", shown=shown, primary=str(self.method.pk))

    def accept(self) -> None:
        """The payer accepts what is asked."""
        for mapping in AutoPayMapping.objects.filter(company=self.billing.company, state="proposed"):
            terms = str(get_current_terms(self.tenant.merchant, Terms.Kind.AUTOMATIC_PAYMENTS).pk)
            path = f"/my/autopay/{mapping.reference}/answer"
            self.post(self.billing.client, path, answer="accept", accepted_terms=terms)

    def act_after_stop(self) -> None:
        """Everybody presses their buttons again, until they see it done."""
        self.request()
        self.run_worker(after=410)
        self.decide()
        self.run_worker(after=420)
        self.accept()

    def verify(self) -> None:
        """One mapping, which the payer accepted."""
        super().verify()
        mapping = AutoPayMapping.objects.get(company=self.billing.company)
        assert (mapping.state, mapping.acceptance is not None) == ("active", True)
        assert (self.row.state, self.row.mapping) == ("asked", mapping)
        mails = self.tenant.mails(self.billing.email)
        assert len({mail["text"] for mail in mails if "proposes automatic payments" in mail["subject"]}) == 1
