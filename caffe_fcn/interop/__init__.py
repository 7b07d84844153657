"""Nets from and for other programs, and nets wherever they lie.

- `bundle`: what is delivered of a run; its net (`bundle_net`), its card (`bundle_card`), its files (`bundle_output`)
- `bundle_verification`: whether a bundle is whole, and computes what its run computes
- `digits`: model jobs and model archives of NVIDIA DIGITS, as net folders
- `model_folders`: the net and the weights of a net folder, a run, a bundle, a job or an archive
- `place_names`: which paths may be such places
- `job_files`: the files of a job, in a folder or in an archive that nobody vouches for
- `job_paths`: the paths of another machine in a prototxt, put right
"""
