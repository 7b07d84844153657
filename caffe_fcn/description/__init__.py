"""What prototxts and databases cannot say: ``dataset.json``."""
