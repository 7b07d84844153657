"""Identifiers and literals for generated code: nothing that a prototxt says reaches it in another form."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Container, Iterable

LONGEST = 28
"""Characters of an identifier: a line with three of them stays below the limit of lines."""

_OF_MODULES = """
T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval
extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules mtia
named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer
register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory
state_dict to to_empty train training type xpu zero_grad
"""
TAKEN = frozenset(
    [*_OF_MODULES.split(), *keyword.kwlist, *keyword.softkwlist, *dir(builtins)]
    + ["self", "torch", "nn", "F", "Tensor", "json", "Path", "annotations", "load", "parts", "WEIGHTS", "Sequence"]
)
"""What names of layers and blobs cannot be: attributes of ``nn.Module``, and what else the code reads."""


class Names:
    """Distinct identifiers for any texts; ``taken`` are used otherwise."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def choose(self, text: str, prefix: str) -> str:
        """Return a new identifier that looks like ``text``; ``prefix`` goes before what cannot begin one."""
        plain = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
        stem = plain if plain[:1].isalpha() else f"{prefix}_{plain}".rstrip("_")
        stem = stem[:LONGEST].rstrip("_")
        number, name = 1, stem
        while name in self._taken:
            number += 1
            end = f"_{number}"
            name = stem[: LONGEST - len(end)] + end
        self._taken.add(name)
        return name


def make_class_name(text: str, taken: Container[str] = ()) -> str:
    """Return the name of a class, such as VocFcn8s for ``voc-fcn8s``, that is none of those ``taken``."""
    words = re.findall(r"[A-Za-z0-9]+", text)
    name = "".join(word[0].upper() + word[1:] for word in words)[:LONGEST]
    return name if name[:1].isalpha() and name not in TAKEN and name not in taken else f"Net{name}"


def write_string(text: str) -> str:
    """Return a literal in double quotes, of ASCII alone, in one line."""
    return '"' + text.encode("unicode_escape").decode("ascii").replace('"', r"\x22") + '"'


def write_number(value: float) -> str:
    """Return the shortest number that is this one in float32."""
    import numpy as np

    text = str(np.float32(value))
    return text if text[-1].isdigit() else f'float("{text}")'


def write_sizes(sizes: Iterable[int]) -> str:
    """Return one number where all are equal, otherwise a tuple."""
    sizes = tuple(sizes)
    return str(sizes[0]) if len(set(sizes)) == 1 else str(sizes)
