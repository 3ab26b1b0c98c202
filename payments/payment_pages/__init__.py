"""The pages where payment details are entered: what they may load, and whether they still are what was shipped."""
