"""Data sets as somebody published or drew them: for each a module that builds it from its files."""
