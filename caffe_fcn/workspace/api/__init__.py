"""The same as JSON under /api, with its OpenAPI document."""
