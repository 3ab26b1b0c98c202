#!/usr/bin/env python
"""Operators' door: `python manage.py <command>`."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

HELP = "README.md says what to set; beside the running demo, commands are run by `make manage ARGS=…`."

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wisepay.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"{error}. {HELP}")
