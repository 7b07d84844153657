"""What of a net BVLC's Caffe cannot read: layers of a fork's type, and fields of a fork."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from caffe_fcn.proto.dialects.table import PRIVATE, is_forks_type, is_known
from caffe_fcn.proto.kept_fields import NAME, kept_name

if TYPE_CHECKING:
    from caffe_fcn.proto.schema import LayerParameter, Message, NetParameter


def find_foreign_layer(net: NetParameter) -> LayerParameter | None:
    """The first layer whose type, or a field of which, forks have and BVLC's Caffe does not; None without such.

    What nobody is known to have, such as a layer of somebody's own Caffe, does not count.

    >>> from caffe_fcn.proto import NetParameter
    >>> find_foreign_layer(NetParameter(layer=[{"name": "up", "type": "Interp"}])).name
    'up'
    """
    return next((each for each in net.layer if is_forks_type(each.type) or _has_known_field(each)), None)


def _has_known_field(layer: LayerParameter) -> bool:
    return any(is_known(owner, name) for owner, name in find_foreign_fields(layer))


def find_foreign_fields(message: Message) -> Iterator[tuple[str, str]]:
    """The fields, each as the name of its message and its own, that BVLC's schema does not have."""
    return ((owner, name) for owner, name, *_ in find_foreign_values(message))


def find_foreign_values(message: Message) -> Iterator[tuple[str, str, Any, Any]]:
    """The same fields, with their values and defaults; both are None for a field that is kept as its text.

    What a fork's field holds, if it is a message, follows it.
    """
    given: Any
    for field, given in message.ListFields():
        if field.name == NAME:
            yield from ((message.DESCRIPTOR.name, kept_name(text), None, None) for text in given)
            continue
        if field.number >= PRIVATE:
            default = field.default_value if field.has_presence else []
            yield message.DESCRIPTOR.name, field.name, given if field.has_presence else list(given), default
        if field.message_type is not None:
            for each in [given] if field.has_presence else given:
                yield from find_foreign_values(each)
