"""Forms: one module a noun, from the fields that somebody filled in to the task that they ask for."""
