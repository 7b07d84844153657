"""Nets from and for other programs.

- `digits`: model jobs and model archives of NVIDIA DIGITS, as net folders
- `job_files`: the files of a job, in a folder or in an archive that nobody vouches for
- `job_paths`: the paths of another machine in a prototxt, put right
"""
