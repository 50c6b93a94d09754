"""Hostile requests, one row each: the expected 4xx or a correct result, never a 5xx, a hang or a stray file.

Groups and numbers are those of the list of bad inputs that the project was planned with: files, names, archives, HTTP
and tokens, values, texts.
"""

import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import annotating as an
import pytest
from hostile import ARCHIVES, DEEP, FILES, NAMES, Ask

SECONDS = 10.0
"""No answer may take longer, on a machine that is busy with other things."""


def said(path: str, body: Any, right: tuple[int, ...] = (422,)) -> Ask:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Ask("POST", f"/api{path}", content, {"Content-Type": "application/json"}, right)


def edit(change: dict[str, Any], right: tuple[int, ...] = (422,), **more: Any) -> Ask:
    return said("/operations", {"id": "h1", "client": "me", "label": "", "changes": [change]} | more, right)


def raw_edit(text: str, right: tuple[int, ...] = (422,)) -> Ask:
    """An instance whose first x is a piece of JSON of any kind."""
    change = an.put_instance(an.instance(PICTURE, CATEGORY))
    change["instance"]["points"][0]["x"] = "@"
    body = json.dumps({"id": "h1", "client": "me", "label": "", "changes": [change]}).replace('"@"', text)
    return said("/operations", body.encode("utf-8", "surrogatepass"), right)


PICTURE = {"id": "0" * 20, "width": an.WIDTH, "height": an.HEIGHT, "revision": 1}
"""Its id is exchanged for a real one by the test."""
CATEGORY = an.category()


POINT = {"keypoint": "k0", "x": 1, "y": 1, "visibility": 2}


def placed(*points: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An instance with these points, or with its usual ones."""
    return an.put_instance(an.instance(PICTURE, CATEGORY) | fields | ({"points": list(points)} if points else {}))


TOKENED = {"Authorization": f"Bearer {an.TOKEN}"}
HTTP: dict[str, Ask] = {
    "a foreign host": Ask(headers={"Host": "evil.example"}, right=(421,)),
    "a name that resolves to us": Ask(headers={"Host": f"rebind.evil.example:{an.PORT}"}, right=(421,)),
    "localhost of somebody": Ask(headers={"Host": "localhost.evil.example"}, right=(421,)),
    "another port": Ask(headers={"Host": "127.0.0.1:1"}, right=(421,)),
    "a port that is none": Ask(headers={"Host": "127.0.0.1:x"}, right=(421,)),
    "a user in the host": Ask(headers={"Host": f"127.0.0.1@evil.example:{an.PORT}"}, right=(421,)),
    "0.0.0.0": Ask(headers={"Host": f"0.0.0.0:{an.PORT}"}, right=(421,)),
    "a decimal address": Ask(headers={"Host": f"2130706433:{an.PORT}"}, right=(421,)),
    "an empty host": Ask(headers={"Host": ""}, right=(400, 421)),
    "localhost": Ask(headers={"Host": f"LOCALHOST:{an.PORT}"}, right=(200,)),
    "a foreign origin": Ask(headers={"Origin": "https://evil.example"}, right=(403,)),
    "origin null": Ask(headers={"Origin": "null"}, right=(403,)),
    "origin of localhost of somebody": Ask(
        headers={"Origin": f"http://127.0.0.1:{an.PORT}.evil.example"}, right=(403,)
    ),
    "origin of another port": Ask(headers={"Origin": "http://127.0.0.1:1"}, right=(403,)),
    "origin with TLS": Ask(headers={"Origin": f"https://127.0.0.1:{an.PORT}"}, right=(403,)),
    "an empty origin": Ask(headers={"Origin": ""}, right=(403,)),
    "another site": Ask(headers={"Sec-Fetch-Site": "cross-site"}, right=(403,)),
    "another port's page": Ask(headers={"Sec-Fetch-Site": "same-site"}, right=(403,)),
    "another site's link to an answer": Ask(
        headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        right=(403,),
    ),
    "a stream for another site": Ask(path="/api/events", headers={"Origin": "https://evil.example"}, right=(403,)),
    "a plain text that is JSON": Ask(
        "POST", "/api/undo", b'{"id":"a","client":"b"}', {"Content-Type": "text/plain"}, (415, 422)
    ),
    "a form": Ask(
        "POST", "/api/undo", b"id=a&client=b", {"Content-Type": "application/x-www-form-urlencoded"}, (415, 422)
    ),
    "no type": Ask("POST", "/api/undo", b'{"id":"a","client":"b"}', {}, (415, 422)),
    "no token": Ask(headers={"Authorization": ""}, right=(401,)),
    "a wrong token": Ask(headers={"Authorization": "Bearer " + "u" * 43}, right=(401,)),
    "a token of half a character": Ask(headers={"Authorization": "Bearer \xed\xa0\x80"}, right=(401,)),
    "basic authentication": Ask(headers={"Authorization": "Basic dDp0"}, right=(401,)),
    "a token in another address": Ask(
        path=f"/api/health?token={an.TOKEN}", headers={"Authorization": ""}, right=(401,)
    ),
    "preflight": Ask("OPTIONS", "/api/operations", None, {"Access-Control-Request-Method": "POST"}, (405,)),
    "TRACE": Ask("TRACE", right=(405,)),
    "DELETE": Ask("DELETE", "/api/categories", right=(405,)),
    "a method of one's own": Ask("SPAM", right=(405,)),
    "POST where GET is": Ask("POST", "/api/health", b"", {}, (405,)),
    "two slashes": Ask(path="/api//evil.example", right=(404,)),
    "a way away": Ask(path="/?next=////evil.example", right=(200,)),
    "10000 ranges": Ask(
        path="/api/pictures/PICTURE/image",
        headers={"Range": "bytes=" + ",".join("0-1" for _ in range(10_000))},
        right=(200, 206, 400, 416),
    ),
    "a range that is none": Ask(
        path="/api/pictures/PICTURE/image", headers={"Range": "bytes=9-1"}, right=(200, 206, 400, 416)
    ),
    "a packed body": Ask(
        "POST",
        "/api/undo",
        zlib.compress(b"a" * 100),
        {"Content-Encoding": "gzip", "Content-Type": "application/json"},
        (415,),
    ),
    "a length that is none": Ask("POST", "/api/undo", b"{}", {"Content-Length": "abc"}, (400,)),
    "10 MB of JSON": said("/operations", b" " * (10 * 2**20), (413,)),
    "a thousand parameters": Ask(
        path="/api/pictures?" + "&".join(f"a{number}=1" for number in range(5000)), right=(200, 400, 422)
    ),
    "last event of letters": Ask(path="/api/operations?after=abc", right=(422,)),
    "an offset without end": Ask(path="/api/pictures?offset=99999999999999999999999", right=(422,)),
}

VALUES: dict[str, Ask] = {
    "NaN": raw_edit("NaN"),
    "Infinity": raw_edit("Infinity"),
    "minus Infinity": raw_edit("-Infinity"),
    "1e400": raw_edit("1e400"),
    "a string": raw_edit('"1"'),
    "true": raw_edit("true"),
    "a list": raw_edit("[1]"),
    "null for a visible point": raw_edit("null"),
    "far away": raw_edit("1e7"),
    "minus zero": raw_edit("-0.0", (200,)),
    "outside the picture": raw_edit("-5.5", (200,)),
    "5000 digits": raw_edit("1" * 5000, (400, 422)),
    "half a character": raw_edit('"\\ud800"'),
    "deep": said("/operations", DEEP, (400, 422)),
    "no UTF-8": said("/operations", b'{"id":"\xff"}', (400, 422)),
    "a byte-order mark": said("/operations", b"\xef\xbb\xbf{}", (400, 422)),
    "no object": said("/operations", b"[]"),
    "nothing": said("/operations", b""),
    "no changes": edit({}, changes=[]),
    "300 changes": edit({}, changes=[an.put_category(an.category())] * 300),
    "an unknown change": edit({"change": "drop_table", "base_revision": 0}),
    "an unknown field": edit(an.put_category(an.category()) | {"admin": True}),
    "a revision of true": edit(an.put_category(an.category()) | {"base_revision": True}),
    "a revision below 0": edit(an.put_category(an.category()) | {"base_revision": -1}),
    "an old revision": edit(an.put_category(CATEGORY), (409,)),
    "a new one with a revision": edit(an.put_category(an.category("new"), 7), (409,)),
    "no keypoints": edit(an.put_category(an.category("none", ())), (200,)),
    "501 keypoints": edit(an.put_category(an.category("many", [f"k {number}" for number in range(501)]))),
    "visibility 3": edit(placed(POINT | {"visibility": 3})),
    "visibility 1.5": edit(placed(POINT | {"visibility": 1.5})),
    "visibility true": edit(placed(POINT | {"visibility": True})),
    "a point twice": edit(placed(POINT, POINT)),
    "a keypoint of nobody": edit(placed(POINT | {"keypoint": "zz"})),
    "an edge to nowhere": edit(an.put_category(an.category("e", edges=[["k0", "k77"]]))),
    "an edge to itself": edit(an.put_category(an.category("e", edges=[["k0", "k0"]]))),
    "an edge of three": edit(an.put_category(an.category("e", edges=[["k0", "k1", "k2"]]))),
    "10000 edges": edit(an.put_category(an.category("e", edges=[["k0", "k1"]] * 10_000))),
    "a box of negative width": edit(placed(box={"x": 0, "y": 0, "width": -1, "height": 1})),
    "a box of no area": edit(placed(box={"x": 0, "y": 0, "width": 0, "height": 0}), (200,)),
    "a picture of nobody": edit(an.put_instance(an.instance({**PICTURE, "id": "f" * 20}, CATEGORY))),
    "a category of nobody": edit(an.put_instance(an.instance(PICTURE, CATEGORY) | {"category_id": "zz"})),
    "delete nobody": edit({"change": "delete_instance", "base_revision": 1, "instance_id": "zz"}, (404,)),
    "a state of one's own": edit(
        {"change": "set_picture", "base_revision": 1, "picture_id": "0" * 20, "state": "hacked"}
    ),
    "one document twice": edit({}, changes=[an.put_category(an.category("t")), an.put_category(an.category("t"))]),
    "an id that leads away": edit(an.put_category(an.category("p", id="../../x"))),
    "an id of 41 letters": edit(an.put_category(an.category("p", id="x" * 41))),
    "an id with a line break": edit(an.put_category(an.category("p", id="x\n"))),
    "an empty id": edit(an.put_category(an.category("p", id=""))),
    "a probability of 2": said("/accept", {"id": "a", "client": "b", "category_id": "c-tile", "least": 2}),
    "nothing sure enough": said("/accept", {"id": "a", "client": "b", "category_id": "c-tile", "least": 1.0}, (409,)),
    "predict a picture of nobody": said("/predict", {"picture_id": "f" * 20, "category_id": "c-tile"}, (404,)),
    "predict with a fixed point of nobody": said(
        "/predict",
        {"picture_id": "0" * 20, "category_id": "c-tile", "fixed": [{"keypoint": "zz", "x": 1, "y": 1}]},
        (404,),
    ),
    "predict with NaN": said(
        "/predict",
        b'{"picture_id":"00000000000000000000","category_id":"c-tile","box":{"x":NaN,"y":0,"width":1,"height":1}}',
    ),
    "search for 1000": said("/search", {"picture_id": "0" * 20, "category_id": "c-tile", "most": 1000}),
    "prefetch 1000": said("/prefetch", {"client": "a", "category_id": "c-tile", "picture_ids": ["0" * 20] * 1000}),
    "a queue of nobody": Ask(path="/api/queue?category_id=zz", right=(404,)),
    "a queue of SQL": Ask(path="/api/queue?category_id=a'%20OR%201=1", right=(422,)),
    "export of nothing": Ask(path="/api/export", right=(422,)),
    "export of a pickle": Ask(path="/api/export?formats=pickle", right=(422,)),
    "a prompt of nobody": Ask(path="/api/categories/zz/prompt", right=(404,)),
    "a preview under another address": said("/categories/other/preview", an.category()),
}

MARKUP = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}}",
    "'; DROP TABLE operation;--",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(1)",
    "-2+3",
    "\u202eabc",
    "🦋",
    "\u200b\u200b",
    "__proto__",
    "constructor",
    "a,b,c",
    "%00%0a",
)
TEXTS: dict[str, Ask] = {
    **{f"category {text}": edit(an.put_category(an.category(text, id="t1")), (200,)) for text in MARKUP},
    **{f"keypoint {text}": edit(an.put_category(an.category("t2", [text, "b"])), (200,)) for text in MARKUP},
    "a line break": edit(an.put_category(an.category("a\nb", id="t3"))),
    "a terminal's escape": edit(an.put_category(an.category("a\x1b[31m", id="t3"))),
    "a tab": edit(an.put_category(an.category("\t=1", id="t3"))),
    "an empty name": edit(an.put_category(an.category("", id="t3"))),
    "201 letters": edit(an.put_category(an.category("x" * 201, id="t3"))),
    "half a character": said("/suggest/swap", b'{"keypoints":[{"id":"a","name":"\\ud800"}]}'),
    "names that look alike": edit(an.put_category(an.category("t4", ["\u00e9", "e\u0301"]))),
    "names of words": Ask(path="/api/suggest/names?text=" + "a%20" * 49, right=(200,)),
    "search for a pattern": Ask(path="/api/pictures?text=%25_%25", right=(200,)),
    "a label of markup": edit(an.put_category(an.category("t5")), (200,), label="<b>"),
}
TABLE = {
    f"{group}: {name}": ask
    for group, rows in {
        "file": FILES,
        "name": NAMES,
        "archive": ARCHIVES,
        "http": HTTP,
        "value": VALUES,
        "text": TEXTS,
    }.items()
    for name, ask in rows.items()
}


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(TABLE) >= 120


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[an.Project]:
    """One project for the whole table: what a row leaves behind is undone after it."""
    opened = an.Project(tmp_path_factory.mktemp("hostile") / "project", pictures=2)
    opened.http._transport.raise_server_exceptions = False
    opened.add_category()
    yield opened
    opened.close()


def everything(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder.parent)) for path in folder.parent.rglob("*")
        if path.is_file() and "/cache/shown/" not in str(path) and "/cache/thumbnails/" not in str(path)
        and "/exports/" not in str(path) and not path.name.startswith("project.sqlite")
    }  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_hostile_request(target: an.Project, name: str) -> None:
    ask = TABLE[name]
    picture = target.pictures()[0]["id"]
    before, revisions = everything(target.folder), target.get("/operations")["seq"]
    content = None if ask.content is None else ask.content.replace(b"0" * 20, picture.encode())
    headers = {key: value.encode("latin-1") for key, value in (TOKENED | ask.headers).items()}
    began = time.monotonic()
    answer = target.http.request(
        ask.method, ask.path.replace("PICTURE", picture), content=content, headers=headers, follow_redirects=False
    )
    assert time.monotonic() - began < SECONDS
    assert answer.status_code in ask.right, (answer.status_code, answer.text[:300])
    if answer.status_code >= 400 and "Range" not in ask.headers:
        problem = answer.json()
        assert problem["code"]
        assert problem["message"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "text/html" not in answer.headers.get("content-type", "") or ask.path.startswith("/?")
    assert target.get("/health")["status"] == "ok"
    new = {each for each in everything(target.folder) - before if "/pictures/" not in each}
    assert not new
    if answer.status_code >= 400:
        assert target.get("/operations")["seq"] == revisions
    for _ in range(target.get("/operations")["seq"] - revisions):
        target.undo()
    # The ids of a row are used again by the next one
    with target.desk.store.writing() as session:
        session.connection().exec_driver_sql("UPDATE operation SET id = 'done-' || seq WHERE id IN ('h1', 'i1', 'a')")
        session.connection().exec_driver_sql("DELETE FROM category WHERE deleted")


def test_names_come_back_as_text(target: an.Project) -> None:
    for text in MARKUP:
        target.operate(an.put_category(an.category(text, [text, "b"], id="mark")))
        (found,) = [each for each in target.get("/categories") if each["id"] == "mark"]
        assert (found["name"], found["keypoints"][0]["name"]) == (text, text)
        target.undo()
        with target.desk.store.writing() as session:
            session.connection().exec_driver_sql("DELETE FROM category WHERE deleted")
