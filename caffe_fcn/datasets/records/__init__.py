"""Records and what they are made of: LMDBs of Datum, images, labels, palettes; written and read back."""
