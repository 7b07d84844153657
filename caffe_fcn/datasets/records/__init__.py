"""The records of a data set and what they consist of: LMDBs of Datum, images, labels, palettes."""
