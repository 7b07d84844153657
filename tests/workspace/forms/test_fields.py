"""A table of fields parses texts and JSON alike, names every field that is wrong, and describes itself."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe_fcn.workspace.forms import fields
from caffe_fcn.workspace.forms.fields import Choice, Field, Form, FormError, Kind

TABLE = (
    Field("name", "Name", required=True),
    Field("count", "Pairs", Kind.INTEGER, default=10, least=1, most=100, group="Size"),
    Field("share", "Share", Kind.NUMBER, least=0, most=100, group="Size"),
    Field("size", "Resize", Kind.SIZE, group="Size", most=4096),
    Field("order", "Order", Kind.CHOICE, default="shuffle", choices=(Choice("shuffle"), Choice("keep", "Keep it"))),
    Field("allow", "Left out", Kind.SEVERAL, default=(), choices=(Choice("alpha"), Choice("16-bit"))),
    Field("mean", "Mean", Kind.FLAG, default=True),
    Field("colours", "Colours", Kind.LINES),
    Field("images", "Images", Kind.PATH),
)
ALL = {
    "name": "roads", "count": 12, "share": 2.5, "size": (375, 500), "order": "keep", "allow": ("16-bit",),
    "mean": False, "colours": "0 0 0\n1 2 3", "images": "photos/a b",
}  # fmt: skip


def test_texts_and_json_are_the_same() -> None:
    texts = {name: fields.show_value(value) for name, value in ALL.items()} | {"allow": ["16-bit"]}
    assert texts["size"] == "375x500"
    assert texts["mean"] == "off"
    assert fields.parse(TABLE, texts) == ALL
    assert fields.parse(TABLE, json.loads(json.dumps(ALL))) == ALL


def test_what_is_not_given_has_its_default() -> None:
    empty = {each.name: "" for each in TABLE if each.name not in ("name", "mean", "allow")}
    for sent in ({"name": " roads "}, {"name": "roads", **empty}, {"name": "roads", "count": None}):
        values = fields.parse(TABLE, sent)
        assert (values["name"], values["count"], values["share"], values["mean"]) == ("roads", 10, None, True)


def test_every_wrong_field_is_named() -> None:
    wrong = {
        "count": "0", "share": "nan", "size": "5x", "order": "random", "allow": ["alpha", "beta"], "mean": "perhaps",
        "colours": "\0", "images": "a\nb", "pears": 3,
    }  # fmt: skip
    with pytest.raises(FormError) as caught:
        fields.parse(TABLE, wrong)
    assert caught.value.fields.keys() == {"name", *wrong}
    assert all(sentence.endswith(".") for sentence in caught.value.fields.values())
    assert "\n" not in str(caught.value)


def test_a_misspelt_name_is_not_passed_over() -> None:
    with pytest.raises(FormError) as caught:
        fields.parse(TABLE, {"name": "a", "coumt": 3})
    assert "count" in caught.value.fields["coumt"]


@pytest.mark.parametrize("value", [True, 1.5, "1.5", "", [], {}, "1" * 40, math.inf, "٣٣", "101"])
def test_no_whole_number(value: Any) -> None:
    table = (Field("count", "Count", Kind.INTEGER, least=1, most=100, required=True),)
    with pytest.raises(FormError):
        fields.parse(table, {"count": value})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([each.name for each in TABLE]) | st.text(), _JSON))
def test_whatever_comes_is_parsed_or_refused(given: dict[str, Any]) -> None:
    try:
        values = fields.parse(TABLE, given)
    except FormError as error:
        assert error.fields
        form = Form(TABLE, given, error)
        assert all(isinstance(form.show(each), str) for each in TABLE)
        return
    assert 1 <= values["count"] <= 100
    assert values["share"] is None or 0 <= values["share"] <= 100
    assert values["order"] in ("shuffle", "keep")
    assert "\0" not in (values["colours"] or "")


def test_what_a_page_sends_is_gathered() -> None:
    sent = [("csrf", "x"), ("mean", "off"), ("mean", "on"), ("allow", ""), ("allow", "alpha"), ("allow", "16-bit")]
    assert fields.gather(TABLE, sent) == {"mean": "on", "allow": ["alpha", "16-bit"]}
    assert fields.parse(TABLE, {"name": "a", **fields.gather(TABLE, [("allow", "")])})["allow"] == ()


def test_the_schema_says_what_is_parsed() -> None:
    schema = fields.describe(TABLE)
    json.dumps(schema)
    assert schema["required"] == ["name"]
    assert schema["properties"]["count"]["minimum"] == 1
    assert schema["properties"]["count"]["default"] == 10
    assert schema["properties"]["order"]["enum"] == ["shuffle", "keep"]


def test_a_form_shows_markup_as_text_and_keeps_what_was_typed() -> None:
    pytest.importorskip("jinja2")
    from caffe_fcn.workspace.web.rendering import make_environment

    evil = "<script>alert('\"')</script>"
    given: dict[str, Any] = {each.name: evil for each in TABLE} | {"allow": [evil], evil: evil}
    with pytest.raises(FormError) as caught:
        fields.parse(TABLE, given)
    form = Form(TABLE, given, caught.value, notes={"name": evil})
    text = '{% import "form.html" as forms with context %}{{ forms.fields(form) }}'
    shown = make_environment().from_string(text).render(form=form)
    assert "<script" not in shown
    assert shown.count("&lt;script") >= 5
    assert all(f'id="{name}-error"' in shown for name in caught.value.fields if name != evil)
