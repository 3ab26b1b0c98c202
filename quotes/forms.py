"""Form of the integration 'ConnectWise Sell'."""

from django import forms

from quotes.services import HOST_PATTERN
from wisepay.forms import ParagraphsField
from wisepay.outbound import find_host_problem


class IntegrationForm(forms.Form):
    """The switch and the hosts that quotes live on, one a line."""

    is_enabled = forms.BooleanField(required=False, label="Is Enabled")
    hosts = ParagraphsField(
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        label="CPQ hosts",
        max_length=1000,
        help_text="Payers return only to these hosts. One a line; *.orderporter.com stands for all its subdomains.",
    )

    def clean_hosts(self) -> list[str]:
        hosts = [line.strip().lower() for line in self.cleaned_data["hosts"].splitlines() if line.strip()]
        wrong = [h for h in hosts if not HOST_PATTERN.fullmatch(h)]
        if wrong:
            raise forms.ValidationError(f"{wrong[0]} is not a host name. Write for example na1.orderporter.com.")
        for host in hosts:
            if problem := find_host_problem(host):
                raise forms.ValidationError(f"{host} {problem}. Write the public name of your CPQ.")
        return list(dict.fromkeys(hosts))
