"""Lists of the console: their columns, filters, order, pages by key, and the same rows as files."""
