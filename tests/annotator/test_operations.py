"""`cape.annotator.operations`: edits, revisions, conflicts, repeated ids, undo and redo over restarts."""

import annotating as an
import pytest


def test_a_category_and_an_instance_are_stored_and_read_again(project: an.Project) -> None:
    made = project.add_category(edges=[["k0", "k1"]], parts=[{"name": "top", "keypoints": ["k0", "k1"]}])
    assert (made["revision"], made["retired"], made["deleted"]) == (1, [], False)
    picture = project.pictures()[0]
    answer = project.operate(an.put_instance(an.instance(picture, made)), label="place")
    assert answer["seq"] == 2
    assert answer["history"] == {"undo": "place", "redo": None}
    stored = answer["changed"]["instances"][0]
    assert project.get(f"/pictures/{picture['id']}")["instances"] == [stored]
    assert project.get("/categories") == [made]
    assert project.get("/pictures")["instances"] == {picture["id"]: 1}


def test_an_old_revision_is_answered_with_both_versions(project: an.Project) -> None:
    made, picture = project.add_category(), project.pictures()[0]
    first = an.instance(picture, made)
    project.operate(an.put_instance(first))
    mine, yours = first | {"state": "accepted"}, first | {"state": "rejected"}
    project.operate(an.put_instance(mine, 1))
    problem = project.operate(an.put_instance(yours, 1), status=409)
    assert problem["code"] == "conflict"
    (conflict,) = problem["conflicts"]
    assert (conflict["current"]["state"], conflict["yours"]["state"]) == ("accepted", "rejected")
    assert conflict["current"]["revision"] == 2
    assert project.get(f"/pictures/{picture['id']}")["instances"][0]["state"] == "accepted"


def test_an_operation_is_all_or_nothing(project: an.Project) -> None:
    made, picture = project.add_category(), project.pictures()[0]
    bad = an.instance(picture, made) | {"category_id": "nobody"}
    project.operate(an.put_instance(an.instance(picture, made)), an.put_instance(bad), status=422)
    assert project.get(f"/pictures/{picture['id']}")["instances"] == []
    assert project.get("/operations")["seq"] == 1


def test_an_id_is_done_once_and_stands_for_one_content(project: an.Project) -> None:
    made, picture = project.add_category(), project.pictures()[0]
    change = an.put_instance(an.instance(picture, made))
    first = project.operate(change, name="op")
    again = project.operate(change, name="op")
    assert again["repeated"]
    assert again["seq"] == first["seq"]
    assert again["changed"] == first["changed"]
    assert project.operate(change, name="op", label="other", status=409)["code"] == "operation_reused"
    assert len(project.get(f"/pictures/{picture['id']}")["instances"]) == 1


def test_undo_and_redo_of_everything(project: an.Project) -> None:
    made, picture = project.add_category(), project.pictures()[0]
    drafted = an.instance(picture, made)
    stored = project.operate(an.put_instance(drafted), label="place")["changed"]["instances"][0]
    project.operate(
        an.put_instance(drafted | {"state": "accepted"}, 1), an.set_picture(picture, "done"), label="accept"
    )
    undone = project.undo()
    assert (undone["kind"], undone["label"]) == ("undo", "accept")
    assert undone["history"] == {"undo": "place", "redo": "accept"}
    detail = project.get(f"/pictures/{picture['id']}")
    assert detail["picture"]["state"] == "open"
    assert detail["instances"][0]["points"] == stored["points"]
    assert detail["instances"][0]["revision"] == 3
    project.undo()
    assert project.get(f"/pictures/{picture['id']}")["instances"] == []
    project.undo()
    assert project.get("/categories") == []
    assert project.undo(409)["code"] == "nothing"
    for _ in range(3):
        project.redo()
    detail = project.get(f"/pictures/{picture['id']}")
    assert (detail["picture"]["state"], detail["instances"][0]["state"]) == ("done", "accepted")
    assert project.redo(409)["code"] == "nothing"


def test_a_new_edit_ends_redo(project: an.Project) -> None:
    project.add_category("one")
    project.undo()
    project.add_category("two")
    project.redo(409)


def test_undo_never_overwrites_what_somebody_else_did(project: an.Project) -> None:
    made, picture = project.add_category(), project.pictures()[0]
    drafted = an.instance(picture, made)
    project.operate(an.put_instance(drafted))
    project.client = "you"
    project.operate(an.put_instance(drafted | {"state": "accepted"}, 1))
    project.client = "me"
    assert project.undo(409)["conflicts"][0]["current"]["state"] == "accepted"
    assert project.get(f"/pictures/{picture['id']}")["instances"][0]["state"] == "accepted"
    project.client = "you"
    project.undo()
    assert project.get(f"/pictures/{picture['id']}")["instances"][0]["state"] == "draft"


def test_the_history_outlives_the_server(project: an.Project) -> None:
    made, picture = project.add_category(), project.pictures()[0]
    project.operate(an.put_instance(an.instance(picture, made)), label="place")
    project.undo()
    folder = project.folder
    project.close()
    reopened = an.Project(folder)
    assert reopened.get("/project", client="me")["history"] == {"undo": "", "redo": "place"}
    reopened.redo()
    assert len(reopened.get(f"/pictures/{picture['id']}")["instances"]) == 1
    reopened.close()


def test_a_keypoint_that_is_taken_out_keeps_its_points(project: an.Project) -> None:
    made, picture = project.add_category(), project.pictures()[0]
    drafted = an.instance(picture, made)
    project.operate(an.put_instance(drafted))
    less = an.category(names=an.NAMES[:3])
    preview = project.post(f"/categories/{made['id']}/preview", less)
    assert [each["name"] for each in preview["retired"]] == ["left bottom"]
    assert (preview["hidden_points"], preview["instances"]) == (1, 1)
    stored = project.operate(an.put_category(less, 1))["changed"]["categories"][0]
    assert [each["name"] for each in stored["retired"]] == ["left bottom"]
    # A page that no longer knows of the point does not lose it by saving the others
    project.operate(an.put_instance(drafted | {"points": drafted["points"][:3]}, 1))
    back = project.post(f"/categories/{made['id']}/preview", an.category())
    assert [each["name"] for each in back["restored"]] == ["left bottom"]
    project.operate(an.put_category(an.category(), 2))
    points = project.get(f"/pictures/{picture['id']}")["instances"][0]["points"]
    assert points[3] == {**drafted["points"][3], "score": None}


def test_renaming_and_reordering_leave_instances_alone(project: an.Project) -> None:
    made, picture = project.add_category(), project.pictures()[0]
    stored = project.operate(an.put_instance(an.instance(picture, made)))["changed"]["instances"][0]
    turned = an.draft_of(made) | {"keypoints": made["keypoints"][::-1]}
    turned["keypoints"][0] = {"id": "k3", "name": "sinister"}
    preview = project.post(f"/categories/{made['id']}/preview", turned)
    assert [each["id"] for each in preview["moved"]] == ["k3", "k2", "k1", "k0"]
    assert preview["renamed"] == [{"id": "k3", "name": "sinister"}]
    project.operate(an.put_category(turned, 1))
    assert project.get(f"/pictures/{picture['id']}")["instances"] == [stored]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"edges": [["k0", "k9"]]}, "keypoints of the category"),
        ({"edges": [["k0", "k0"]]}, "two keypoints"),
        ({"swap": [["k0", "k1"], ["k1", "k2"]]}, "once"),
        ({"keypoints": [{"id": "a", "name": "x"}, {"id": "a", "name": "y"}]}, "once"),
        ({"keypoints": [{"id": "a", "name": "é"}, {"id": "b", "name": "é"}]}, "once"),
        ({"parts": [{"name": "p", "keypoints": ["k0", "k0"]}]}, "once"),
    ],
)
def test_categories_that_do_not_fit_together(project: an.Project, change: dict, words: str) -> None:
    assert words in project.operate(an.put_category(an.category(**change)), status=422)["message"]


def test_two_categories_of_one_name(project: an.Project) -> None:
    project.add_category("tile")
    other = an.category("tile", id="other")
    assert project.operate(an.put_category(other), status=409)["code"] == "name_taken"
    project.operate({"change": "delete_category", "base_revision": 1, "category_id": "c-tile"})
    project.operate(an.put_category(other))
    project.undo()
    project.undo()
    assert [each["id"] for each in project.get("/categories")] == ["c-tile"]


def test_two_clients_never_overwrite_each_other_unseen(project: an.Project) -> None:
    """Each client sends edits with the revision that it last saw, and looks again when it is refused."""
    made, picture = project.add_category(), project.pictures()[0]
    drafted = an.instance(picture, made)
    project.operate(an.put_instance(drafted))
    seen, done = {"a": 1, "b": 1}, {"a": 0, "b": 0}
    for number in range(60):
        who = "aabb"[number % 4]
        project.client = who
        change = an.put_instance(drafted | {"score": number / 100}, seen[who])
        body = {"id": an.new_id(), "client": who, "label": "", "changes": [change]}
        answer = project.http.post("/api/operations", json=body)
        if answer.status_code == 200:
            seen[who] = answer.json()["changed"]["instances"][0]["revision"]
            done[who] += 1
        else:
            assert answer.status_code == 409
            seen[who] = answer.json()["conflicts"][0]["current"]["revision"]
    assert min(done.values()) > 5
    assert project.get(f"/pictures/{picture['id']}")["instances"][0]["revision"] == 1 + sum(done.values())
