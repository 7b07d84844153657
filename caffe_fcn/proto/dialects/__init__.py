"""What forks of Caffe add to its schema: fields, values of enums, and layer types.

Three tables, which `table` reads:

- ``fields.tsv``: a field that a fork adds, or that it numbers otherwise than BVLC does. ``forks`` has the field's
  number in each fork (``pspnet=143``; ``?`` where it is not known). A field with a ``type`` is part of our schema
  (``caffe.desc``), under the private ``number`` beside it: forks give one number to different fields. Of a field
  without a type only the name is known, and it is kept as its text (`proto.kept_fields`). ``label`` is "bvlc" for a
  field of BVLC's that forks number otherwise.
- ``enums.tsv``: the enums of these fields.
- ``layer_types.tsv``: layer types, the names that they had in V1's enum, who has them, and their numbers in the V1
  enums of forks.

Sources are the forks' own src/caffe/proto/caffe.proto; `table.FORKS` says which repository a fork's name stands for.

Text names its fields and needs to know no fork. Binary files have numbers alone: `numbering` translates a message
of a fork to our schema and back, `recognition` finds the forks that a binary net can come from, `writing` the one whose
numbers a net is written in, and `foreign` what BVLC's Caffe would not read.
"""
