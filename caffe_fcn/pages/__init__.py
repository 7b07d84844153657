"""Pages for the browser: one file each, without scripts or pictures from elsewhere.

- `markup`: elements whose text is always escaped
- `skeleton`: what all pages have: the policy that forbids loading anything, colours for light and dark, plain elements
"""
