"""`cape.annotator.assistance` and `worker`: predictions, prompts that grow, the queue's end, batches, hanging up."""

import threading
import time
from pathlib import Path

import annotating as an
import numpy as np
import pytest

from cape.annotator.refusing import RequestError
from cape.annotator.worker import Worker


def ask(project: an.Project, picture: dict, status: int = 200, **more: object) -> dict:
    return project.post("/predict", {"picture_id": picture["id"], "category_id": "c-tile", **more}, status)


def test_names_alone_then_the_first_accepted_picture(project: an.Project) -> None:
    project.add_category("bare", ("", ""))
    first, second, *_ = project.pictures()
    problem = project.post("/predict", {"picture_id": first["id"], "category_id": "c-bare"}, 409)
    assert problem["code"] == "no_prompt"
    made = project.add_category()
    by_names = ask(project, second)
    assert (by_names["prompted"], by_names["shots"]) == ("names", 0)
    assert [each["keypoint"] for each in by_names["points"]] == ["k0", "k1", "k2", "k3"]
    assert by_names["reasons"][0] == "low: left top"
    project.accept_one(first, made)
    by_both = ask(project, second)
    assert (by_both["prompted"], by_both["shots"]) == ("both", 1)
    assert by_both["points"][0]["x"] < by_names["points"][0]["x"]


def test_a_prompt_is_compiled_once(project: an.Project) -> None:
    made = project.add_category()
    for picture in project.pictures():
        ask(project, picture)
    assert project.predictor.prompts == 1
    renamed = an.draft_of(made) | {"name": "other"}
    project.operate(an.put_category(renamed, 1))
    ask(project, project.pictures()[0])
    assert project.predictor.prompts == 1  # the category's own name is nothing that the model reads
    project.operate(an.put_category(an.category(names=("a", "b", "c", "d"), name="other", id="c-tile"), 2))
    ask(project, project.pictures()[0])
    assert project.predictor.prompts == 2


def test_points_follow_those_that_are_fixed_without_looking_again(project: an.Project) -> None:
    project.add_category()
    picture = project.pictures()[0]
    before = ask(project, picture)["points"]
    looks = len(project.predictor.batches)
    after = ask(project, picture, fixed=[{"keypoint": "k1", "x": before[1]["x"] + 7, "y": before[1]["y"] - 2}])[
        "points"
    ]
    assert len(project.predictor.batches) == looks
    moved = [(a["x"] - b["x"], a["y"] - b["y"]) for a, b in zip(after, before, strict=True)]
    assert np.allclose(moved, (7, -2))
    assert [each["fixed"] for each in after] == [False, True, False, False]


def test_a_box_says_where_to_look_and_is_not_kept_as_the_pictures_prediction(project: an.Project) -> None:
    project.add_category()
    picture = project.pictures()[0]
    boxed = ask(project, picture, box={"x": 10, "y": 10, "width": 40, "height": 40})
    assert all(10 <= each["x"] <= 54 for each in boxed["points"])
    assert project.get(f"/pictures/{picture['id']}")["predictions"] == []
    ask(project, picture)
    assert len(project.get(f"/pictures/{picture['id']}")["predictions"]) == 1


def test_several_objects(project: an.Project) -> None:
    project.add_category()
    found = project.post("/search", {"picture_id": project.pictures()[0]["id"], "category_id": "c-tile", "most": 4})
    assert len(found) == 2


def test_prefetched_pictures_come_with_their_predictions(project: an.Project) -> None:
    project.add_category()
    pictures = project.pictures()
    wanted = [each["id"] for each in pictures[1:4]]
    assert project.post("/prefetch", {"client": "me", "category_id": "c-tile", "picture_ids": wanted}, 202) == {
        "waiting": 3
    }
    until = time.monotonic() + 20
    while time.monotonic() < until and not all(project.get(f"/pictures/{each}")["predictions"] for each in wanted):
        time.sleep(0.02)
    assert max(project.predictor.batches) > 1
    asked_for = len(project.predictor.batches)
    assert project.post("/prefetch", {"client": "me", "category_id": "c-tile", "picture_ids": wanted}, 202) == {
        "waiting": 0
    }
    assert len(project.predictor.batches) == asked_for


def test_accepting_all_that_is_sure_is_one_operation(project: an.Project) -> None:
    project.add_category()
    for picture in project.pictures():
        ask(project, picture)
    confidences = sorted(
        project.get(f"/pictures/{each['id']}")["predictions"][0]["confidence"] for each in project.pictures()
    )
    body = {"id": "all", "client": "me", "category_id": "c-tile", "least": confidences[2]}
    done = project.post("/accept", body)
    assert len(done["changed"]["instances"]) == 4
    assert {each["state"] for each in done["changed"]["pictures"]} == {"done"}
    instance = done["changed"]["instances"][0]
    assert (instance["state"], instance["proposed"], instance["points"][0]["source"]) == ("accepted", True, "model")
    assert project.post("/accept", body)["repeated"]
    progress = project.get("/progress")
    assert (progress["done"], progress["open"], progress["clicks_saved"], progress["clicks"]) == (4, 2, 16, 0)
    project.undo()
    assert project.get("/progress")["done"] == 0


def test_a_shot_is_added_where_the_others_say_that_it_helps(project: an.Project) -> None:
    made = project.add_category()
    pictures = project.pictures()
    stored = [project.accept_one(each, made) for each in pictures[:4]]
    answer = project.post("/categories/c-tile/shots", {"id": "s1", "client": "me", "instance_id": stored[1]["id"]})
    assert answer["added"]
    assert answer["pictures"] == 2
    assert answer["after"] < answer["before"]
    assert ask(project, pictures[5])["shots"] == 2
    # The fake is better with each shot; one that stays as it was does not help
    project.predictor.prompt = lambda **given: an.FakePrompt(len(given["names"]), 1)
    refused = project.post("/categories/c-tile/shots", {"id": "s2", "client": "me", "instance_id": stored[2]["id"]})
    assert not refused["added"]
    assert "does not help" in refused["words"]
    body = {"id": "s3", "client": "me", "instance_id": stored[2]["id"], "force": True}
    assert project.post("/categories/c-tile/shots", body)["added"]
    assert ask(project, pictures[5])["shots"] == 3


def test_the_queue_tells_why(project: an.Project) -> None:
    project.add_category()
    pictures = project.pictures()
    queue = project.get("/queue", category_id="c-tile")
    assert {entry["reasons"][0] for entry in queue["entries"]} <= {"not predicted yet", "low: left top"}
    until = time.monotonic() + 20
    while project.get("/queue", category_id="c-tile")["predicted"] < 6 and time.monotonic() < until:
        time.sleep(0.05)
    project.operate(an.set_picture(pictures[0], "skipped"))
    queue = project.get("/queue", category_id="c-tile")
    assert (len(queue["entries"]), queue["open"]) == (5, 5)
    priorities = [entry["priority"] for entry in queue["entries"]]
    assert priorities == sorted(priorities, reverse=True)
    assert "low: left top" in queue["entries"][0]["reasons"]


def test_a_full_queue_is_told_at_once(tmp_path: Path) -> None:
    project = an.Project(tmp_path / "project", pictures=6, worker=Worker(most_waiting=2, batch=1))
    project.add_category()
    pictures = project.pictures()
    project.predictor.gate.clear()
    codes: list[int] = []

    def wait(picture: dict) -> None:
        answer = project.http.post("/api/predict", json={"picture_id": picture["id"], "category_id": "c-tile"})
        codes.append(answer.status_code)

    threads = [threading.Thread(target=wait, args=(each,)) for each in pictures[:3]]
    for thread in threads:
        thread.start()
        time.sleep(0.2)
    began = time.monotonic()
    answer = project.http.post("/api/predict", json={"picture_id": pictures[5]["id"], "category_id": "c-tile"})
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert int(answer.headers["retry-after"]) > 0
    assert time.monotonic() - began < 2
    # Saving does not wait for the model
    project.add_category("meanwhile")
    project.predictor.gate.set()
    for thread in threads:
        thread.join(20)
    assert codes == [200] * 3
    project.close()


def test_a_job_that_was_cancelled_is_never_run() -> None:
    worker, ran, gate = Worker(batch=4), [], threading.Event()

    def run(contents: list) -> list:
        gate.wait(20)
        ran.extend(contents)
        return contents

    first = worker.submit("a", run, 1)
    time.sleep(0.1)
    others = [worker.submit("b", run, number) for number in (2, 3, 4)]
    assert others[1].cancel()
    assert worker.waiting == 2
    gate.set()
    assert (first.result(10), others[0].result(10), others[2].result(10)) == (1, 2, 4)
    assert ran == [1, 2, 4]
    worker.close()


def test_one_fault_is_one_jobs_fault_and_the_thread_lives_on() -> None:
    worker = Worker()

    def run(contents: list) -> list:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        worker.submit("a", run, 1).result(10)
    assert worker.submit("a", lambda contents: contents, 5).result(10) == 5
    worker.close()


def test_the_later_queue_waits_and_is_replaced() -> None:
    worker, ran, gate = Worker(batch=1), [], threading.Event()

    def run(contents: list) -> list:
        gate.wait(20)
        ran.extend(contents)
        return contents

    worker.submit("x", run, "first")
    time.sleep(0.1)
    worker.later("me", [("a", run, "old 1"), ("b", run, "old 2")])
    worker.later("me", [("a", run, "new")])
    last = worker.submit("x", run, "urgent")
    gate.set()
    last.result(10)
    until = time.monotonic() + 10
    while len(ran) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert ran == ["first", "urgent", "new"]
    worker.close()


def test_closing_ends_those_that_wait() -> None:
    worker = Worker(batch=1)
    gate = threading.Event()
    worker.submit("x", lambda contents: [gate.wait(5) for _ in contents], 1)
    waiting = worker.submit("x", lambda contents: contents, 2)
    gate.set()
    worker.close()
    assert waiting.cancelled() or waiting.result(1) == 2


def test_a_model_that_does_not_load_is_said(tmp_path: Path) -> None:
    from cape.annotator.desk import Desk
    from cape.errors import DataError

    def broken() -> None:
        raise DataError("weights", expected="a file", got="none", fix="Give one.")

    an.fill(tmp_path / "project", 1)
    desk = Desk(tmp_path / "project", make=broken)
    until = time.monotonic() + 10
    while desk.assistance.state.state == "loading" and time.monotonic() < until:
        time.sleep(0.01)
    assert (desk.assistance.state.state, "weights" in desk.assistance.state.words) == ("failed", True)
    from cape.annotator.schema import Category, Keypoint

    named = Category(id="c", name="c", keypoints=[Keypoint(id="k", name="nose")], retired=[], revision=1, deleted=False)
    with pytest.raises(RequestError, match="a model"):
        desk.assistance.usable(named)
    desk.close()


def test_cape_lite_follows_a_correction(tmp_path: Path) -> None:
    """The real model, once: a prompt of one drawn picture, a prediction on another, a correction, the prompt's file."""
    from PIL import Image

    from cape.data.drawn import Drawn
    from cape.prompting import Prompt
    from cape.shipped import load

    source = Drawn(
        seed=8, instances=2, categories=("butterfly",), size=192, rotation=10.0, occlusion=0.0, truncation=0.0
    )
    folder = tmp_path / "project"
    folder.mkdir()
    for index in range(2):
        Image.fromarray(source.picture(index)).save(folder / f"{index}.png")
    names = next(iter(source.categories.values())).texts
    project = an.Project(folder, predictor=load("cape-lite"))
    project.desk.scan().join(30)
    until = time.monotonic() + 60
    while project.desk.assistance.state.state == "loading" and time.monotonic() < until:
        time.sleep(0.05)
    made = project.add_category("butterfly", names)
    first, second = project.pictures()
    points = [
        {"keypoint": f"k{place}", "x": float(x), "y": float(y), "visibility": 2}
        for place, (x, y) in enumerate(source.instances[0].points)
    ]
    drafted = an.instance(first, made, state="accepted") | {"points": points}
    project.operate(an.put_instance(drafted))
    body = {"picture_id": second["id"], "category_id": made["id"]}
    found = project.post("/predict", body)
    assert found["shots"] == 1
    truth = source.instances[1].points
    away = np.linalg.norm([[each["x"], each["y"]] for each in found["points"]] - truth, axis=1)
    assert np.median(away) < 0.2 * 192
    fixed = [{"keypoint": "k0", "x": float(truth[0, 0]), "y": float(truth[0, 1])}]
    followed = project.post("/predict", body | {"fixed": fixed})
    assert np.allclose([followed["points"][0]["x"], followed["points"][0]["y"]], truth[0])
    assert followed["points"][0]["score"] == 1
    answer = project.get(f"/categories/{made['id']}/prompt")
    (tmp_path / "one.prompt").write_bytes(answer.content)
    assert Prompt.load(tmp_path / "one.prompt").texts == tuple(names)
    project.close()
