"""Nets as pages show them: what a prototxt has, from any source, without its files and without any code of its own.

- `question`: what is asked about which net
- `analysis`: the answer, part by part: layers, offsets, findings, picture
- `worker`: a process that answers, bounded in time and memory; `asking` keeps a few of them
- `refusals`: what no net may have that is served
- `folder`: the prototxts and the weights of a net folder
- `addresses`: what the address of a request asks
"""
