"""Template filters of accounting: the words of the merchant's accounting package."""

from django import template

from accounting.ledgers.guides import Guide

register = template.Library()


@register.filter
def in_words_of(text: str, guide: Guide) -> str:
    """The text with the documents named as the package names them: QuickBooks has credit memos."""
    return guide.name_documents(text)
