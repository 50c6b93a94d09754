"""`cape.annotator.safety`: no route without the token, no other site, no other name, and what every answer says."""

import annotating as an
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect


@pytest.fixture
def stranger(project: an.Project) -> TestClient:
    return TestClient(project.app, base_url=an.ADDRESS, follow_redirects=False)


def test_every_route_wants_the_token(project: an.Project, stranger: TestClient) -> None:
    paths = project.app._app.openapi()["paths"]
    assert len(paths) > 20
    for path, methods in paths.items():
        for method in methods:
            answer = stranger.request(method, path.replace("{picture_id}", "0" * 20).replace("{category_id}", "c"))
            assert answer.status_code == 401, (method, path)
    for path in ("/", "/index.html", "/assets/index.js", "/api/openapi.json", "/api/nothing", "/docs"):
        assert stranger.get(path).status_code == 401, path
    assert "cape annotate" in stranger.get("/").text


def test_the_token_goes_from_the_address_into_a_cookie(project: an.Project, stranger: TestClient) -> None:
    answer = stranger.get("/", params={"token": an.TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert all(each in cookie for each in ("HttpOnly", "SameSite=Strict", f"cape-annotator-{an.PORT}="))
    assert stranger.get("/api/health").status_code == 200
    ours = {"Origin": an.ADDRESS}
    body = {"keypoints": []}
    assert stranger.post("/api/suggest/swap", json=body, headers=ours).status_code == 200
    assert stranger.post("/api/suggest/swap", json=body, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    # A form of another site sends neither, or its own
    assert stranger.post("/api/suggest/swap", json=body).status_code == 403


def test_answers_say_what_a_browser_may_do(project: an.Project, stranger: TestClient) -> None:
    for answer in (
        project.http.get("/api/health"),
        project.http.get("/api/nothing"),
        stranger.get("/"),
        project.http.get("/"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert not any(key.startswith("access-control") for key in answer.headers)
    assert project.http.get("/api/health").headers["cache-control"] == "no-store"


def test_a_hundred_wrong_tokens_are_enough(project: an.Project, stranger: TestClient) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    codes = [stranger.get("/api/health", headers=wrong).status_code for _ in range(102)]
    assert codes[:99] == [401] * 99
    assert codes[-1] == 429
    assert project.get("/health")["status"] == "ok"


def test_web_sockets_are_closed(project: an.Project) -> None:
    with pytest.raises(WebSocketDisconnect) as closed, project.http.websocket_connect("/api/events"):
        pass
    assert closed.value.code == 1008


def test_the_page_says_how_it_is_built(project: an.Project) -> None:
    page = project.http.get("/")
    assert page.status_code == 200
    assert "make web" in page.text or "<script" in page.text
