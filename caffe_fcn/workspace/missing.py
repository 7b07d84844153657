"""What an address or a name asks for, and the workspace does not have."""

from __future__ import annotations

from caffe_fcn.errors import CaffeFcnError


class NotFoundError(CaffeFcnError):
    """What is named is not in the workspace; a request for it is answered with status 404."""
