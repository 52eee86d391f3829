import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from annotate.errors import ServiceError
from annotate.studio.annotators import create_annotator, load_annotators
from annotate.studio.connection import connect
from annotate.studio.server import (
    Server,
    _birth,
    find_server,
    start_server,
    stop_server,
    write_private,
)

pytestmark = pytest.mark.studio


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def listens(server: Server) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))).close()
    except ConnectionError:
        return False
    return True


def test_what_others_put_into_the_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "articles.jsonl").write_text("mine")
    with pytest.raises(ServiceError, match=r"data: is there already .* choose another folder"):
        start_server(tmp_path, timeout=5)
    assert (tmp_path / "data" / "articles.jsonl").read_text() == "mine"
    (tmp_path / "data" / "articles.jsonl").unlink()
    (tmp_path / "secrets.json").write_text('{"hub": "x"}')
    with pytest.raises(ServiceError, match=r"secrets.json: is there already"):
        start_server(tmp_path, timeout=5)
    assert (tmp_path / "secrets.json").read_text() == '{"hub": "x"}'


def test_secrets_are_for_the_owner_only(studio_server: Server) -> None:
    annotator = create_annotator(studio_server, "Người Một")
    for name in (
        "secrets.json",
        "annotators.json",
        "running.json",
        "label-studio.log",
        "data/.env",
    ):
        mode = (studio_server.folder / name).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600, name
    database = studio_server.folder / "data" / "label_studio.sqlite3"
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert "label_studio.server" in listed.stdout
    log = (studio_server.folder / "label-studio.log").read_text()
    for secret in (studio_server.password, studio_server.token, annotator.password):
        assert secret not in listed.stdout
        assert secret not in log
        assert secret not in repr(studio_server)


def test_the_server_is_for_this_machine_and_its_users(studio_server: Server) -> None:
    import httpx

    with httpx.Client(base_url=studio_server.url, trust_env=False, timeout=30) as stranger:
        assert stranger.get("/health").json() == {"status": "UP"}
        assert stranger.get("/api/projects").status_code == 401
        page = stranger.get("/user/signup/")
        form = {
            "email": "stranger@vipol.example",
            "password": "a long enough one",
            "csrfmiddlewaretoken": stranger.cookies["csrftoken"],
        }
        refused = stranger.post("/user/signup/", data=form, headers={"Referer": str(page.url)})
        assert refused.status_code == 403  # signing up wants an invitation
        assert stranger.get("/health", headers={"Host": "a.example"}).status_code == 400


def test_a_second_start_finds_the_first(studio_server: Server) -> None:
    assert start_server(studio_server.folder) == studio_server
    assert find_server(studio_server.folder) == studio_server
    with pytest.raises(ServiceError, match=r"runs at .* already; stop it first"):
        start_server(studio_server.folder, port=1)


def test_it_is_stopped_killed_and_started_again(studio_server: Server, studio_folder: Path) -> None:
    assert find_server(studio_folder) is None
    assert stop_server(studio_folder) is False
    first = start_server(studio_folder)
    project = connect(first.url, first.token).client.projects.create(title="Còn mãi")

    os.killpg(first.pid, signal.SIGKILL)
    while is_running(first.pid) or listens(first):
        time.sleep(0.05)
    assert find_server(studio_folder) is None
    with pytest.raises(ServiceError, match=r"no Label Studio answers there; start it"):
        connect(first.url, first.token)

    with ThreadPoolExecutor(2) as pool:  # two people at once: one server
        second, same = pool.map(start_server, [studio_folder] * 2)
    assert second == same
    assert second.pid != first.pid
    assert connect(second.url, second.token).client.projects.get(project.id).title == "Còn mãi"

    assert stop_server(studio_folder) is True
    assert not is_running(second.pid)
    assert find_server(studio_folder) is None
    assert find_server(studio_server.folder) == studio_server  # the other one runs on
    connect(studio_server.url, studio_server.token)


def test_only_the_process_that_we_started_is_stopped(studio_folder: Path) -> None:
    """A process that got the recorded number later is another's: it is not touched."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        running = {"pid": other.pid, "birth": "an earlier time", "port": 1}
        (studio_folder / "running.json").write_text(json.dumps(running))
        assert find_server(studio_folder) is None
        assert stop_server(studio_folder) is False
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=rf"port {port} of 127.0.0.1 is taken"):
            start_server(tmp_path / "studio", port=port)
    with pytest.raises(ServiceError, match=r"port 70000 of 127.0.0.1 is taken or not allowed"):
        start_server(tmp_path / "studio", port=70000)


def test_a_first_start_that_is_cut_off_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "studio"
    with pytest.raises(ServiceError, match=r"gave no good answer in time .*; last lines of .*log"):
        start_server(folder, timeout=4)
    assert find_server(folder) is None
    assert not (folder / "running.json").exists()
    before = json.loads((folder / "secrets.json").read_text())
    with pytest.raises(ServiceError, match=r"in time"):  # begins anew: the half is thrown away
        start_server(folder, timeout=1)
    assert json.loads((folder / "secrets.json").read_text()) != before


def test_a_server_that_dies_shows_its_last_lines(studio_folder: Path) -> None:
    (studio_folder / "data" / "label_studio.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(ServiceError, match=r"ended while starting; last lines .* not a database"):
        start_server(studio_folder)
    assert find_server(studio_folder) is None


def test_a_server_whose_secrets_are_gone(studio_folder: Path) -> None:
    (studio_folder / "secrets.json").unlink()
    with pytest.raises(ServiceError, match=r"secrets\.json is gone or broken"):
        start_server(studio_folder)
    assert (studio_folder / "data" / "label_studio.sqlite3").exists()


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ServiceError, match=r"cannot hold a Label Studio server"):
        start_server(tmp_path / "file")


def test_annotators_are_users_with_passwords_and_tokens(studio_server: Server) -> None:
    import httpx

    one = create_annotator(studio_server, "Đỗ Thị Bích")
    assert one.email == "do-thi-bich@vipol.example"
    assert create_annotator(studio_server, "Đỗ Thị Bích") == one  # made once only
    assert load_annotators(studio_server)[one.email] == one
    assert connect(studio_server.url, one.token).user == one.email
    assert one.password not in repr(one)
    assert one.token not in repr(one)

    with httpx.Client(base_url=studio_server.url, trust_env=False, timeout=30) as browser:
        page = browser.get("/user/login/")
        form = {
            "email": one.email,
            "password": one.password,
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        browser.post("/user/login/", data=form, headers={"Referer": str(page.url)})
        assert browser.get("/api/current-user/whoami").json()["first_name"] == "Đỗ Thị Bích"


def test_a_server_that_ran_before_outlives_a_failed_look(tmp_path: Path) -> None:
    """As when it is busy with an export for longer than the one who asks will wait."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(command, start_new_session=True) as process:
        write_private(tmp_path / "secrets.json", {"user": "u", "password": "p", "token": "t"})
        write_private(
            tmp_path / "running.json", {"pid": process.pid, "birth": _birth(process.pid), "port": 9}
        )
        try:
            with pytest.raises(ServiceError, match="gave no good answer in time"):
                start_server(tmp_path, timeout=0.5)
            assert is_running(process.pid)
            assert find_server(tmp_path) is not None
        finally:
            process.kill()


def test_an_account_that_was_begun_is_finished(studio_server: Server) -> None:
    """As after a call that was cut off between signing up and noting the token."""
    one = create_annotator(studio_server, "Võ Dở Dang")
    noted = studio_server.folder / "annotators.json"
    accounts = json.loads(noted.read_text())
    accounts[one.email]["token"] = None
    noted.write_text(json.dumps(accounts))
    assert one.email not in load_annotators(studio_server)
    assert create_annotator(studio_server, "Võ Dở Dang") == one


def test_accounts_that_cannot_be_made(studio_server: Server) -> None:
    with pytest.raises(ServiceError, match=r"gives no login name; give an email as well"):
        create_annotator(studio_server, "…")
    ha = create_annotator(studio_server, "Hà")
    with pytest.raises(ServiceError, match=r"'Hạ' gives the login ha@\S+, which is 'Hà''s; give"):
        create_annotator(studio_server, "Hạ")
    assert create_annotator(studio_server, "Hạ", "ha.2@vipol.example").email != ha.email
    with pytest.raises(ServiceError, match=rf"account {studio_server.user} was refused .*already"):
        create_annotator(studio_server, "Ai đó", studio_server.user)
    with pytest.raises(ServiceError, match=r"account no-address was refused"):
        create_annotator(studio_server, "Ai đó", "no-address")
