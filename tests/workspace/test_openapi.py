"""/openapi.json is OpenAPI 3.1: its structure as the specification says it, and what the server then answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from workspace.server import Server, start_server

METHODS = {"get", "put", "post", "delete", "patch"}
TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("openapi") / "work"
    root.mkdir()
    started = start_server(root)
    yield started
    started.close()


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.client.get("/openapi.json").json()
    return found


def check_schema(schema: Any, document: dict[str, Any]) -> None:
    """A schema of JSON Schema 2020-12, as far as we write any; its references lead somewhere."""
    assert isinstance(schema, dict)
    if "$ref" in schema:
        name = re.fullmatch(r"#/components/schemas/([A-Za-z0-9._-]+)", schema["$ref"])
        assert name and name[1] in document["components"]["schemas"], schema
    kinds = schema.get("type", [])
    assert set([kinds] if isinstance(kinds, str) else kinds) <= TYPES
    for each in schema.get("properties", {}).values():
        check_schema(each, document)
    assert set(schema.get("required", ())) <= set(schema.get("properties", {}))
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            check_schema(schema[name], document)
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            assert schema[name]
            for each in schema[name]:
                check_schema(each, document)
    if "enum" in schema:
        assert schema["enum"]


def test_the_document_is_built_as_the_specification_says(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d", document["openapi"])
    assert {"title", "version"} <= set(document["info"])
    seen = set()
    for path, item in document["paths"].items():
        assert path.startswith("/") and set(item) <= METHODS
        in_path = set(re.findall(r"\{(\w+)\}", path))
        for operation in item.values():
            assert operation["operationId"] not in seen
            seen.add(operation["operationId"])
            given = operation["parameters"]
            assert {each["name"] for each in given if each["in"] == "path"} == in_path
            assert all(each["required"] for each in given if each["in"] == "path")
            assert len({(each["name"], each["in"]) for each in given}) == len(given)
            contents = [operation["requestBody"]["content"]] if "requestBody" in operation else []
            for status, answer in operation["responses"].items():
                assert re.fullmatch(r"[1-5](\d\d|XX)|default", status) and answer["description"]
                contents.append(answer.get("content", {}))
            for each in [*given, *(media for content in contents for media in content.values())]:
                check_schema(each["schema"], document)
    for name, schema in document["components"]["schemas"].items():
        assert re.fullmatch(r"[a-zA-Z0-9._-]+", name)
        check_schema(schema, document)


def test_the_index_lists_the_operations_of_the_document(server: Server, document: dict[str, Any]) -> None:
    listed = {(each["path"], each["method"].lower()) for each in server.client.get("/api").json()["operations"]}
    assert listed == {(path, method) for path, item in document["paths"].items() for method in item}
    page = server.client.get("/api", headers={"accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html") and "/api/jobs" in page.text


def test_lists_without_parameters_answer_as_their_schemas_say(server: Server, document: dict[str, Any]) -> None:
    plain = [path for path, item in document["paths"].items() if "get" in item and "{" not in path]
    assert "/api/jobs" in plain
    for path in plain:
        operation = document["paths"][path]["get"]
        answer = server.client.get(path)
        if answer.status_code == 422 and operation["parameters"]:  # it wants one of them
            match(answer.json(), {"$ref": "#/components/schemas/Error"}, document)
        else:
            assert answer.status_code == 200, path
            match(answer.json(), operation["responses"]["200"]["content"]["application/json"]["schema"], document)


def test_bodies_that_are_not_objects_of_json_are_refused_in_a_sentence(
    server: Server, document: dict[str, Any], tmp_path: Path
) -> None:
    posts = [
        path
        for path, item in document["paths"].items()
        if "{" not in path and "application/json" in item.get("post", {}).get("requestBody", {}).get("content", {})
    ]
    for path in posts:
        for body, kind in ((b"[1]", "application/json"), (b"{", "application/json"), (b"a=1", "text/plain")):
            answer = server.client.post(path, content=body, headers={"content-type": kind, "x-caffe-fcn": "1"})
            assert answer.status_code == 422, path
            match(answer.json(), {"$ref": "#/components/schemas/Error"}, document)


def match(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    """A value is what a schema says."""
    if "$ref" in schema:
        match(value, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    elif schema.get("type") == "object":
        assert isinstance(value, dict) and set(schema.get("required", ())) <= set(value)
        for name, each in schema.get("properties", {}).items():
            if name in value:
                match(value[name], each, document)
    elif schema.get("type") == "array":
        for each in value:
            match(each, schema["items"], document)
    elif schema.get("type") in ("integer", "number", "string", "boolean"):
        kinds: dict[str, Any] = {"integer": int, "number": (int, float), "string": str, "boolean": bool}
        assert isinstance(value, kinds[schema["type"]])
