"""What the pages of data sets read: facts, names and pictures of records, and an index of the classes in each."""
