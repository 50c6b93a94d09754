"""`cape.annotator.api`: the description that the page is built from, and random requests made out of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import annotating as an
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cape.annotator.api import description, make_api

# Once in some hundred requests schemathesis draws a number in a way that hypothesis no longer likes.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
WEB = Path(__file__).parents[2] / "cape" / "annotator" / "web"
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


class _Present:
    """The application that the module's fixture has opened: the schema wants one before there is any."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


PRESENT = _Present()
SCHEMA = schemathesis.openapi.from_dict(json.loads(description()))
SCHEMA.app = PRESENT
TOKENED = {"Authorization": f"Bearer {an.TOKEN}"}
ENDLESS = "/api/events"


def test_the_description_in_the_repository_is_the_present_one() -> None:
    """Write it anew: python -m cape.annotator.api > cape/annotator/web/openapi.json"""
    assert (WEB / "openapi.json").read_text() == description()


def test_every_route_is_told_in_the_module() -> None:
    from cape.annotator import api

    for path in make_api().openapi()["paths"]:
        first = path.removeprefix("/api").split("/")[1]
        assert f"/{first}" in (api.__doc__ or ""), path


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[an.Project]:
    opened = an.Project(tmp_path_factory.mktemp("random") / "project", pictures=3)
    opened.add_category()
    PRESENT.app = opened.app
    yield opened
    opened.close()


def asked(target: an.Project, case: Any) -> None:
    if case.path == ENDLESS:
        return  # it never ends; tests of the server read it
    real = {"picture_id": target.pictures()[0]["id"], "category_id": "c-tile"}
    if (
        case.path_parameters and len(json.dumps(case.body, default=str)) % 2
    ):  # half of them name something that is there
        case.path_parameters = {
            **case.path_parameters,
            **{key: real[key] for key in case.path_parameters if key in real},
        }
    answer = case.call_and_validate(base_url=an.ADDRESS, headers=TOKENED, checks=list(CHECKS))
    assert answer.status_code != 401


@SCHEMA.parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_requests(target: an.Project, case: Any) -> None:
    asked(target, case)


@pytest.mark.soak
@SCHEMA.parametrize()
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_many_random_requests(target: an.Project, case: Any) -> None:
    asked(target, case)
