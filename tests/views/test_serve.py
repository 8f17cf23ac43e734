"""The browser view serves results to whoever has the token, and nothing else to anybody."""

import json
import threading
import urllib.error
import urllib.request
from http.client import HTTPConnection

import pytest
from chromium import browser

from vbsim.checks import InvalidInput
from vbsim.views.browser.server import Server, found_results


@pytest.fixture(scope="module")
def server(small_result, tmp_path_factory):
    with Server(small_result.folder.parent) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()


def ask(server, path, *, token="right", host=None, method="GET"):
    connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    joint = "&" if "?" in path else "?"
    given = server.token if token == "right" else token
    address = path if given is None else f"{path}{joint}token={given}"
    headers = {"Host": host} if host else {}
    connection.request(method, address, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_the_list_tells_parameters_and_measures(server, small_result):
    answer, content = ask(server, "/api/results")
    assert answer.status == 200
    (item,) = json.loads(content)
    assert item["id"] == small_result.folder.name
    assert item["has_fields"] is True
    told = item["parameters"]
    assert told["level"] == "L1"
    assert told["volume_ml"] == 4.0
    assert told["distribution"] == "unipedicular"
    assert told["fracture"] == "wedge 2"
    expected = small_result.value("augmented", "stiffness") / 1e3
    assert told["augmented_stiffness_kn_per_mm"] == pytest.approx(expected, abs=1e-3)


def test_a_scene_is_served_as_it_is_made(server, small_study):
    from vbsim.views.browser import scene_bytes

    answer, content = ask(server, f"/api/scene/{small_study.folder.name}")
    assert answer.status == 200
    assert content == scene_bytes(small_study)


def test_a_report_is_made_on_request(server, small_study):
    answer, content = ask(server, f"/api/report/{small_study.folder.name}")
    assert answer.status == 200
    assert b"Augmented stiffness is" in content
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("token", [None, "", "wrong", "%00", "é".encode().hex()])
@pytest.mark.parametrize("path", ["/", "/api/results", "/api/scene/x", "/nothing"])
def test_a_wrong_token_is_refused_everywhere(server, token, path):
    answer, content = ask(server, path, token=token)
    assert answer.status == 403
    assert content == b"wrong token"


def test_the_token_may_come_in_the_cookie(server):
    answer, _ = ask(server, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    url = f"http://127.0.0.1:{server.server_address[1]}/api/results"
    request = urllib.request.Request(url, headers={"Cookie": cookie.partition(";")[0]})
    with urllib.request.urlopen(request, timeout=30) as found:
        assert found.status == 200
    forged = urllib.request.Request(url, headers={"Cookie": "vbsim_token=forged"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(forged, timeout=30)


def test_another_name_of_the_host_is_refused(server):
    port = server.server_address[1]
    assert ask(server, "/", host=f"localhost:{port}")[0].status == 200
    for host in (f"evil.example:{port}", "127.0.0.1", f"127.0.0.1.evil.example:{port}"):
        answer, content = ask(server, "/", host=host)
        assert (answer.status, content) == (403, b"unknown host")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/api/scene/../secret",
        "/api/scene/..%2fsecret",
        "/api/scene/%2e%2e%2fsecret",
        "/api/scene//etc",
        "/api/scene/.stages",
        "/api/report/..%2f..%2fetc%2fpasswd",
        "/api/report/%00",
        "/api/scene/",
        "/api/scene/{name}/fields",
        "/api/scene/{name}/../../secret",
    ],
)
def test_nothing_outside_the_results_can_be_read(server, small_result, path):
    secret = small_result.folder.parent.parent / "secret"
    secret.mkdir(exist_ok=True)
    (secret / "summary.json").write_text('{"name": "secret"}')
    answer, content = ask(server, path.format(name=small_result.folder.name))
    assert answer.status == 404
    assert b"secret" not in content
    assert b"root:" not in content


def test_links_out_of_the_folder_and_hidden_folders_are_not_found(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "results"
    for folder in (outside / "a", inside / "mine", inside / ".hidden", inside / "sweep" / "case"):
        folder.mkdir(parents=True)
        (folder / "summary.json").write_text("{}")
    (inside / "link").symlink_to(outside / "a")
    assert list(found_results(inside)) == ["mine", "sweep/case"]


def test_only_reading_is_allowed(server):
    for method in ("POST", "PUT", "DELETE"):
        assert ask(server, "/api/results", method=method)[0].status == 501


def test_it_listens_on_the_loopback_address_alone(server):
    assert server.server_address[0] == "127.0.0.1"


def test_a_missing_folder_and_a_taken_port_are_refused(server, tmp_path):
    with pytest.raises(InvalidInput, match="no such folder"):
        Server(tmp_path / "nothing")
    with pytest.raises(InvalidInput, match="port"):
        Server(tmp_path, server.server_address[1])


def test_a_damaged_result_is_left_out_of_the_list(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "summary.json").write_text("{")
    with Server(tmp_path) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        answer, content = ask(made, "/api/results")
        made.shutdown()
    assert (answer.status, json.loads(content)) == (200, [])


def test_cases_are_filtered_chosen_and_set_side_by_side(server, small_result, tmp_path_factory):
    name = small_result.folder.name
    with browser(tmp_path_factory.mktemp("profile")) as page:
        page.size(1280, 900)
        page.open(server.url)
        page.until("document.querySelectorAll('tbody tr').length === 1")
        count = "document.querySelectorAll('tbody tr').length"

        def filtered(text):
            page.evaluate(
                f"(() => {{ const f = document.getElementById('filter'); f.value = {text!r};"
                " f.oninput(); })()"
            )
            return page.evaluate(count)

        assert filtered("volume_ml>4") == 0
        assert filtered("volume_ml>=4 level=l1 unipedicular") == 1
        page.evaluate("document.querySelector('tbody tr').click()")
        page.until("Boolean(document.getElementById('view').querySelector('canvas'))")
        heads = "[...document.querySelectorAll('.heads select')].map((s) => s.selectedIndex)"
        assert page.evaluate(heads) == [0, 1, 2]
        page.evaluate("window.scene = page.scenes.values().next().value; 1")
        page.evaluate("page.viewer.setPanes([0, 2].map((stage) => ({ scene, stage, title: 'a' })))")
        assert page.evaluate(heads) == [0, 2]
        # The token is out of the address, and nobody else was asked.
        assert page.evaluate("location.search") == ""
        assert page.complaints == []
        asked = [url for url in page.requests if not url.startswith(("data:", "blob:"))]
        assert all(url.startswith("http://127.0.0.1:") for url in asked)
        assert any(url.endswith(f"/api/scene/{name}") for url in asked)
