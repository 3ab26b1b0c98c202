"""All tests; the directories mirror the code."""
