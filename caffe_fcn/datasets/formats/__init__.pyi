from . import folder, m2nist, mnist, published, synthia, triangles, voc

__all__ = ["folder", "m2nist", "mnist", "published", "synthia", "triangles", "voc"]
