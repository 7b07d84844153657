"""What of a net BVLC's Caffe cannot read: layers of a fork's type, and fields of a fork."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from caffe_fcn.proto.dialects.table import PRIVATE, is_bvlcs_type
from caffe_fcn.proto.kept_fields import NAME, kept_name

if TYPE_CHECKING:
    from caffe_fcn.proto.schema import LayerParameter, Message, NetParameter


def find_foreign_layer(net: NetParameter) -> LayerParameter | None:
    """The first layer whose type or fields BVLC's schema does not have; None where it has them all.

    >>> from caffe_fcn.proto import NetParameter
    >>> find_foreign_layer(NetParameter(layer=[{"name": "up", "type": "Interp"}])).name
    'up'
    """
    return next((each for each in net.layer if not is_bvlcs_type(each.type) or any(find_foreign_fields(each))), None)


def find_foreign_fields(message: Message) -> Iterator[tuple[str, str]]:
    """The fields, each as the name of its message and its own, that BVLC's schema does not have."""
    given: Any
    for field, given in message.ListFields():
        if field.name == NAME:
            yield from ((message.DESCRIPTOR.name, kept_name(text)) for text in given)
        elif field.number >= PRIVATE:
            yield message.DESCRIPTOR.name, field.name
        elif field.message_type is not None:
            for each in [given] if field.has_presence else given:
                yield from find_foreign_fields(each)
