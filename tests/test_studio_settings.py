"""Which server a command works with: flags, then the environment, then vipol.toml."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from annotate.cli import app
from annotate.errors import DataError
from annotate.studio.server import Server
from annotate.studio.settings import (
    Database,
    Embedded,
    Existing,
    choose_server,
    read_database,
)

KEY = "0123456789" * 4
URL = "https://label.vipol.example"
OTHERS = f'[studio]\nurl = "{URL}"\nkey_file = "key"\n'
DATABASE = '[studio.database]\nname = "labels"\nuser = "chi"\n'


def write(folder: Path, settings: str, **secrets: str) -> Path:
    for name, secret in secrets.items():
        (folder / name).write_text(secret + "\n", encoding="utf-8")
        (folder / name).chmod(0o600)
    path = folder / "vipol.toml"
    path.write_text(settings, encoding="utf-8")
    return path


def test_without_settings_it_is_the_users_own_server(tmp_path: Path) -> None:
    path = tmp_path / "vipol.toml"
    own = choose_server(environment={"XDG_DATA_HOME": "/data"}, path=path)
    assert own == Embedded(Path("/data/vipol/studio"))
    assert read_database({}, path) is None


def test_flags_come_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, OTHERS, key=KEY)
    environment: dict[str, str] = {}

    def choose(url: str | None = None, folder: Path | None = None) -> Existing | Embedded:
        return choose_server(url, folder, environment, path)

    assert choose() == Existing(URL, KEY)
    assert choose(folder=Path("mine")) == Embedded(Path("mine"))
    environment["VIPOL_STUDIO"] = "theirs"
    assert choose() == Embedded(Path("theirs"))
    environment["LABEL_STUDIO_API_KEY"] = "of the environment"
    environment["LABEL_STUDIO_URL"] = "http://b.example"
    assert choose() == Existing("http://b.example", "of the environment")
    assert choose(folder=Path("mine")) == Embedded(Path("mine"))
    assert choose(url="http://c.example") == Existing("http://c.example", "of the environment")


def test_the_key_of_the_file_goes_to_the_address_of_the_file_only(tmp_path: Path) -> None:
    path = write(tmp_path, OTHERS, key=KEY)
    assert choose_server(URL, None, {}, path) == Existing(URL, KEY)
    with pytest.raises(DataError, match=r"no key for http://b.example: put that of your account"):
        choose_server("http://b.example", None, {}, path)


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, '[studio]\nfolder = "ls"\n' + DATABASE)
    assert choose_server(None, None, {}, path) == Embedded(tmp_path / "ls")


def test_a_database_and_its_password(tmp_path: Path) -> None:
    path = write(tmp_path, DATABASE + 'password_file = "pw"\nport = 5433\n', pw="một 'hai'")
    assert read_database({}, path) == Database("localhost", 5433, "labels", "chi", "một 'hai'")
    found = read_database({"PGPASSWORD": "khác"}, path)
    assert found == Database("localhost", 5433, "labels", "chi", "khác")
    assert "khác" not in f"{found} {found!r}"
    assert read_database({}, write(tmp_path, DATABASE)) == Database(
        "localhost", 5432, "labels", "chi", ""
    )


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, OTHERS, key=KEY)
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(DataError, match=r"key: others may read this secret; run: chmod 600 "):
        choose_server(None, None, {}, path)
    assert isinstance(choose_server(None, None, {"LABEL_STUDIO_API_KEY": "k"}, path), Existing)


BAD = [
    ("[studoi]\n", r"vipol.toml:1: unknown table \[studoi\]; known: prelabel, studio"),
    ("studio = 1\n", r"vipol.toml:1: 'studio' must be a table; write \[studio\]"),
    ("[studio]\nurl = 'http://a'\nkey = 'x'\n", r"vipol.toml:3: unknown setting 'key' under \[s"),
    ("[studio]\nurl = 3\n", r"vipol.toml:2: 'url' must be a string that is not empty"),
    ("[studio]\n\nurl = ''\n", r"vipol.toml:3: 'url' must be a string that is not empty"),
    (OTHERS + "folder = 'ls'\n", r"vipol.toml:4: 'folder' is for a server of your own"),
    (OTHERS + DATABASE, r"vipol.toml:4: 'database' is for a server of your own"),
    ("[studio]\nkey_file = 'key'\n", r"vipol.toml:2: 'key_file' needs the 'url' that it is for"),
    (OTHERS, r"vipol.toml:3: .*key: cannot be read \(No such file"),
    ("[studio]\ndatabase = 'labels'\n", r"vipol.toml:2: 'database' must be a table; write \[stu"),
    (DATABASE + "password = 'x'\n", r"vipol.toml:4: unknown setting 'password' under \[studio.d"),
    (DATABASE + "port = '5432'\n", r"vipol.toml:4: 'port' must be a number from 1 to 65535"),
    (DATABASE + "port = 70000\n", r"vipol.toml:4: 'port' must be a number from 1 to 65535"),
    ("[studio.database]\nname = 'x'\n", r"vipol.toml:1: \[studio.database\] lacks 'user'; add"),
    ("[studio]\nfolder = 'ls'\ndatabase.user = 'x'\n", r"vipol.toml:3: .* lacks 'name'; add"),
]


@pytest.mark.parametrize(("settings", "reason"), BAD, ids=[reason[14:40] for _, reason in BAD])
def test_what_is_wrong_is_named_by_file_and_key(tmp_path: Path, settings: str, reason: str) -> None:
    path = write(tmp_path, settings)
    with pytest.raises(DataError, match=reason) as caught:
        choose_server(None, None, {}, path)
        read_database({}, path)
    assert "\n" not in str(caught.value)


@pytest.mark.studio
@pytest.mark.parametrize("kind", ["legacy", "personal"])
@pytest.mark.parametrize("place", ["file", "environment"])
def test_an_existing_server_is_found_with_a_token_of_either_kind(
    studio_server: Server,
    personal_token: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    place: str,
) -> None:
    key = studio_server.token if kind == "legacy" else personal_token
    if place == "file":
        write(tmp_path, f'[studio]\nurl = "{studio_server.url}"\nkey_file = "key"\n', key=key)
    else:
        monkeypatch.setenv("LABEL_STUDIO_URL", studio_server.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", key)
    monkeypatch.chdir(tmp_path)
    status = CliRunner().invoke(app, ["studio", "status"])
    assert status.exit_code == 0, status.exception
    assert studio_server.url in status.stderr
    assert studio_server.user in status.stderr
    assert key not in status.output
    start = CliRunner().invoke(app, ["studio", "up"])
    assert "not one to start, stop or add users to from here" in str(start.exception)
