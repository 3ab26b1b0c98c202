"""Form of what was done by hand in the accounting package."""

from django import forms

from wisepay.forms import WordsField


class ManualTaskForm(forms.Form):
    """What was done; it is kept with the task and in the audit log."""

    note = WordsField(
        label="What was done?",
        min_length=5,
        max_length=300,
        error_messages={
            "required": "Say what was done in the accounting package.",
            "min_length": "Say what was done in the accounting package, in a few words.",
        },
    )
