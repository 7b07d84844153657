"""The Python data layers that the reference FCNs name, for pycaffe and for the torch engine.

Put this folder into PYTHONPATH and the prototxts of the reference run as they are. Its modules need NumPy and Pillow
alone, and import each other by plain names there, because pycaffe runs them in whatever Python it was built for.
"""
