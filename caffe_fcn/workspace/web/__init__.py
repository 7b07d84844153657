"""The server: routes, safety, templates, live pages."""
