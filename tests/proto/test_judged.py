"""Which texts are nets and solvers, and what they say: the judge is the C++ parser inside real Caffe.

Known differences, all on the strict side: strings must be UTF-8, and messages nest 64 deep at most. And a text with a
control character at its start is taken for a binary file by whoever reads files (`proto.read`), not by `proto.parse`.
"""

from __future__ import annotations

import random

import pytest
from caffe_worker import CaffeWorker

from caffe_fcn import proto
from caffe_fcn.errors import PrototxtError

# A field of each scalar type that nets and solvers have, as {} in its message.
FIELDS = {
    "int32": "input_dim: {}",
    "int64": "input_shape {{ dim: {} }}",
    "uint32": "layer {{ concat_param {{ concat_dim: {} }} }}",
    "float": "layer {{ loss_weight: {} }}",
    "double": "layer {{ blobs {{ double_data: {} }} }}",
    "bool": "debug_info: {}",
    "enum": "state {{ phase: {} }}",
    "string": "name: {}",
    "message": "state {}",
    "repeated message": "layer {}",
    "list": "input {}",
}
_WORDS = """
0 00 000 010 07 08 09 1 01 2 10 -1 -0 -00 -010 +1 +0 --1 1- 0x 0x1 0X1F 0x01 -0x10 0x1. 0xg 0xf 1x 1_ 1a
1. 1.0 .5 5. . -.5 -5. 00.5 01.5 0.5 0. 1f 1F 1.f 1.5F .5f 0f 00f 0x1f 1ff 1fe 1e5 1E5 1e+5 1e-5 1e 1e+ 0e1 00e1 1e5f
1.5.5 1..5 1.e5 inf -inf Inf INF -Inf +inf inff infinity -Infinity nan -nan NaN -NAN infinit nano e5 f
1e38 1e39 -1e39 1e308 1e309 1e400 1e-50 1e-400 3.4028234663852886e38 3.4028235677973366e38 3.402823567797337e38
2147483647 2147483648 -2147483648 -2147483649 4294967295 4294967296 -4294967295 0xffffffff 0x100000000 017777777777
9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 18446744073709551615
18446744073709551616 100000000000000000000 0x7fffffffffffffff 0xffffffffffffffff 0x10000000000000000
true True TRUE tRUE t T yes false False FALSE f F on TEST TRAIN test Test TESTS -TEST _ a-b
"" '' "a" 'a' "a' "a"'b' "a""b" "\\q" "\\x" "\\x4" "\\x414" "\\X41" "\\0" "\\400" "\\777" "\\18" "\\u12" "\\u1234"
"\\ud83d\\ude00" "\\ud83d" "\\ude00" "\\ud83d\\u0041" "\\U0001f600" "\\U0000d83d\\ude00" "\\U00110000" "\\U001fffff"
"\\U00200000" "\\U12345678" "\\?" "\\a\\b\\f\\n\\r\\t\\v\\\\\\'\\"" '"' "'" "\\N" "\\8" "\\" "é" é ٣ １ ² 1é 1
[] [1] [1,2] [1,] [,] [,1] [1,,2] [1;2] [1 2] [[1]] [-1] ["a"] ["a","b"] ["a",] ["a" "b"] [TEST] {} <> {> <} [{}] [<>]
[{},] [{},{}] [{}{}] {{}} {;} {,} :{} :[] :[{}] :<> ::1 :1 1, 1; 1;; 1,; 1,, {}; {}, {};; {}. 1# 1#c 1/ 1//c /*c*/1
$ (1)
"""
VALUES = _WORDS.split()
BLANK_VALUES = [
    "",
    " ",
    "- 1",
    "-\n1",
    "-#c\n1",
    "- 0.5",
    "- inf",
    "1 .5",
    "1 f",
    "1\f",
    "1\v",
    "1\r",
    '"a" #c\n "b"',
    '"a\nb"',
]
BLANK_VALUES += [
    '"a\\\nb"',
    '"a\rb"',
    '"a\tb"',
    "1" * 5000,
    "0" * 5000 + "1",
    "-" + "9" * 5000,
    "1." + "1" * 5000,
    "0x" + "0" * 5000,
]
BLANK_VALUES += [
    "1\N{NO-BREAK SPACE}",
    "\N{ZERO WIDTH SPACE}1",
    "1 #",
    "1 # \N{GREEK SMALL LETTER ALPHA}",
    "0" * 5000,
    "1e" + "9" * 5000,
]


def ours(kind: str, text: str) -> bytes | str:
    message = proto.message(kind)()
    try:
        proto.parse(text, message, "x")
    except PrototxtError as error:
        assert "\n" not in str(error) and str(error).startswith("x")
        return str(error)
    return bytes(message.SerializeToString(deterministic=True))


def theirs(kind: str, data: bytes) -> bytes:
    """In our own order of fields, so that equal messages are equal bytes."""
    return bytes(proto.message(kind).FromString(data).SerializeToString(deterministic=True))


def compare(caffe: CaffeWorker, texts: list[str], kind: str = "NetParameter") -> None:
    judged = caffe.parse(kind, [text.encode() for text in texts])
    for text, data in zip(texts, judged, strict=True):
        found = ours(kind, text)
        if data is None:
            assert isinstance(found, str), f"Caffe refuses {text!r}"
        elif isinstance(found, str):
            assert "is not UTF-8" in found, f"Caffe takes {text!r}: {found}"
        else:
            assert found == theirs(kind, data), f"Caffe reads {text!r} as {data!r}"
    assert any(data is None for data in judged) and any(data is not None for data in judged)


@pytest.mark.parametrize("field", FIELDS)
def test_every_kind_of_value_is_taken_or_refused_as_caffe_does(caffe: CaffeWorker, field: str) -> None:
    compare(caffe, [FIELDS[field].format(value) for value in VALUES + BLANK_VALUES])


def test_a_text_with_one_piece_changed_is_judged_as_caffe_does(caffe: CaffeWorker) -> None:
    choice = random.Random(0)
    solver = 'net: "a" test_iter: 3 test_iter: [0x1, 02] base_lr: 1e-3 max_iter: 10 solver_mode: CPU type: "SGD"; '
    net = 'name: "a" # c\nlayer < name: \'b\'; top: ["c", "d"] phase: TEST loss_weight: -.5 param { lr_mult: 1f } >\n'
    net += (
        'layer { name: "\\303\\251" "\\u00e9" type: "Convolution", convolution_param { pad: 1 pad: 0 bias_term: t } }'
    )
    pieces = VALUES + BLANK_VALUES + solver.split() + net.split()
    for kind, text in (("NetParameter", net), ("SolverParameter", solver)):
        texts = [text]
        for _ in range(300):
            start = choice.randrange(len(text))
            end = start + choice.choice([0, 0, 1, 1, 2, 5])
            new = choice.choice(["", choice.choice(pieces), choice.choice(text), text[start:end] * 2])
            texts.append(text[:start] + new + text[end:])
        compare(caffe, texts, kind)
