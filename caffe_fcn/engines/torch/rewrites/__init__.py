"""Rewrites of a program: instructions that give the same result sooner take the place of others.

- `upscore_fusion`: a Deconvolution that interpolates, and the Crop behind it, as two matrix products
- `convolution_fusion`: a Convolution with the statistics, factors, sum and ReLU behind it
- `border_cache`: what an image does not reach, because it depends on padding alone, computed once for all images
- `windows`, `borders`: which part of a blob that is, and its values
- `bands`: convolutions and their pooling on some rows after another, where the blobs between are large
- `compiled_programs`: many small convolutions, with what is between them, as a graph that oneDNN compiles
"""
