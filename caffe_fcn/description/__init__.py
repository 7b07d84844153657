"""Descriptions beside data sets: ``dataset.json`` has what databases cannot say, such as classes and palette."""
