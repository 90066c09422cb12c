import json
import multiprocessing
import os
import stat
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from storage.crypto.pseudonym import Pseudonyms
from storage.crypto.root import LocalRootKeys, create, rotate
from storage.errors import KeyUnavailable, SettingsError
from storage.ports import RootKeys

REGION = "eu-central-1"
KEY = bytes(range(32))

DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no section": lambda d: d.pop("signing"),
    "no section but one": lambda d: (d.pop("root"), d.pop("signing")),
    "no region": lambda d: d.pop("region"),
    "unknown section": lambda d: d.update(more={}),
    "empty section": lambda d: d.update(root={}),
    "section is a list": lambda d: d.update(root=[]),
    "section is text": lambda d: d.update(root="x"),
    "section is null": lambda d: d.update(root=None),
    "short key": lambda d: d["root"].update({"2": "c2VjcmV0"}),
    "key is a number": lambda d: d["root"].update({"2": 7}),
    "key is no base64": lambda d: d["root"].update({"2": "!" + d["root"]["1"]}),
    "version 0": lambda d: d["root"].update({"0": d["root"]["1"]}),
    "version 256": lambda d: d["root"].update({"256": d["root"]["1"]}),
    "version 02": lambda d: d["root"].update({"02": d["root"]["1"]}),
    "version is text": lambda d: d["root"].update({"x": d["root"]["1"]}),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A new key file."""
    file = tmp_path / "keys.json"
    create(file, os.urandom, region=REGION)
    return file


def load(path: Path) -> LocalRootKeys:
    """The keys in the file."""
    return LocalRootKeys.load(path, os.urandom, region=REGION)


def damage(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what the file holds."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_is_a_port(path: Path) -> None:
    """The local key file gives what the port RootKeys asks for."""
    port: RootKeys = load(path)

    assert port.current == 1


def test_is_the_checked_in_vector(tmp_path: Path) -> None:
    """A key object that an earlier version wrote opens; wrapping has the same format."""
    file = Path(__file__).with_name("vectors") / "root.json"
    known = json.loads(file.read_text())
    root, nonce, key, context, sealed = (
        bytes.fromhex(known[name]) for name in ("root", "nonce", "key", "context", "sealed")
    )
    path = tmp_path / "keys"
    create(path, lambda size: root[:size], region=REGION)
    keys = LocalRootKeys.load(path, lambda size: nonce[:size], region=REGION)

    assert keys.wrap(key, context) == sealed
    assert keys.unwrap(sealed, context) == key
    assert sealed[0] == known["version"]


class TestCreate:
    def test_is_for_the_owner_alone(self, path: Path) -> None:
        """A new key file has mode 0600 and holds one key per section, all different."""
        document = json.loads(path.read_text())
        keys = {document[section]["1"] for section in ("root", "pseudonym", "signing")}

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(keys) == 3
        assert document["region"] == REGION

    def test_is_0600_under_any_umask(self, tmp_path: Path) -> None:
        """An open umask opens nothing."""
        before = os.umask(0)
        try:
            create(tmp_path / "keys", os.urandom, region=REGION)
        finally:
            os.umask(before)

        assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600

    def test_never_overwrites(self, path: Path) -> None:
        """A second creation is refused, the first file stays, nothing lies beside it."""
        before = path.read_bytes()
        with pytest.raises(SettingsError, match="exists already"):
            create(path, os.urandom, region=REGION)

        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    def test_of_many_at_once_one_succeeds(self, tmp_path: Path) -> None:
        """Processes that race to create the file agree on one, and it is whole."""
        path = tmp_path / "keys.json"

        def attempt(_: int) -> bool:
            try:
                create(path, os.urandom, region=REGION)
            except SettingsError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(attempt, range(8))) == 1
        assert load(path).current == 1
        assert list(tmp_path.iterdir()) == [path]

    def test_what_a_killed_creation_left_does_no_harm(self, tmp_path: Path) -> None:
        """A half-written temporary file is neither used nor kept."""
        path = tmp_path / "keys.json"
        (tmp_path / ".keys.json.tmp").write_text("half")
        create(path, os.urandom, region=REGION)

        assert load(path).current == 1
        assert list(tmp_path.iterdir()) == [path]

    def test_where_nothing_can_be_written(self, tmp_path: Path) -> None:
        """A directory that is not there is a clear error."""
        with pytest.raises(SettingsError, match="cannot be written"):
            create(tmp_path / "absent" / "keys", os.urandom, region=REGION)

    @pytest.mark.parametrize("call", ["fsync", "link"])
    def test_a_failure_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        """A full disk, or a file system without links, leaves no file and no key behind."""

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, call, fail)
        with pytest.raises(SettingsError, match="No space left"):
            create(tmp_path / "keys", os.urandom, region=REGION)

        assert list(tmp_path.iterdir()) == []


class TestLoad:
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o602, 0o666])
    def test_refuses_what_others_may_open(self, path: Path, mode: int) -> None:
        """A file open to group or others in any way is refused, and the advice mends it."""
        path.chmod(mode)
        with pytest.raises(SettingsError, match="chmod 600"):
            load(path)
        path.chmod(0o400)

        assert load(path).current == 1

    def test_an_absent_file(self, tmp_path: Path) -> None:
        """An absent file is a clear error that tells a new region from a lost key."""
        with pytest.raises(SettingsError, match="restore"):
            load(tmp_path / "absent")
        with pytest.raises(SettingsError, match="cannot be read"):
            load(tmp_path)

    def test_another_regions_keys(self, path: Path) -> None:
        """The keys of one region never serve another by a slip in the settings."""
        with pytest.raises(SettingsError, match="keys of eu-central-1, not of us-east-1"):
            LocalRootKeys.load(path, os.urandom, region="us-east-1")

    @pytest.mark.parametrize("name", list(DAMAGES))
    def test_a_damaged_file(self, path: Path, name: str) -> None:
        """Whatever is wrong with the file, it is refused as a whole and nothing of it is shown."""
        secret = json.loads(path.read_text())["root"]["1"]
        damage(path, DAMAGES[name])
        with pytest.raises(SettingsError, match="not a key file") as caught:
            load(path)

        assert_shows_nothing(caught.value, secret)

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '{"root": "secret', "[" * 9999])
    def test_what_is_no_json(self, path: Path, text: str) -> None:
        """A file that is no JSON is refused, and json's error, which holds it all, is dropped."""
        path.write_text(text)
        with pytest.raises(SettingsError, match="not a key file") as caught:
            load(path)

        assert_shows_nothing(caught.value, "secret")


def assert_shows_nothing(error: BaseException, secret: str) -> None:
    """Neither the error nor anything that hangs on it holds the secret."""
    trace = traceback.TracebackException.from_exception(error)

    assert (error.__cause__, error.__context__) == (None, None)
    assert secret not in f"{error} {error!r} {vars(error)} {''.join(trace.format())}"


class TestWrap:
    def test_opens_for_its_context_only(self, path: Path) -> None:
        """A key comes back for the context it was wrapped for, and for no other."""
        keys = load(path)
        sealed = keys.wrap(KEY, b"day 1")

        assert keys.unwrap(sealed, b"day 1") == KEY
        for context in (b"day 2", b""):
            with pytest.raises(KeyUnavailable):
                keys.unwrap(sealed, context)

    def test_never_twice_the_same(self, path: Path) -> None:
        """Each wrapping has a nonce of its own."""
        keys = load(path)

        assert len({keys.wrap(KEY, b"") for _ in range(100)}) == 100

    def test_every_flipped_bit_and_truncation_is_seen(self, path: Path) -> None:
        """A wrapped key that changed in any bit, or in length, is unavailable."""
        keys = load(path)
        sealed = keys.wrap(KEY, b"day 1")
        number, size = int.from_bytes(sealed), len(sealed)
        broken = [(number ^ 1 << bit).to_bytes(size) for bit in range(8 * size)]
        broken += [sealed[:stop] for stop in range(size)] + [sealed + b"\0"]
        for other in broken:
            with pytest.raises(KeyUnavailable):
                keys.unwrap(other, b"day 1")

    def test_a_key_of_the_wrong_size_is_not_wrapped(self, path: Path) -> None:
        """What could not be unwrapped is not wrapped."""
        with pytest.raises(ValueError, match="32 bytes"):
            load(path).wrap(KEY[:16], b"")


class TestRotate:
    def test_old_versions_open_new_ones_wrap(self, path: Path) -> None:
        """After a rotation new keys are under the new version, and old ones still open."""
        old = load(path)
        sealed = old.wrap(KEY, b"c")

        assert rotate(path, os.urandom, region=REGION) == 2
        new = load(path)
        again = new.wrap(KEY, b"c")
        assert (new.current, sealed[0], again[0]) == (2, 1, 2)
        assert len(set(json.loads(path.read_text())["root"].values())) == 2
        assert new.unwrap(sealed, b"c") == new.unwrap(again, b"c") == KEY
        with pytest.raises(KeyUnavailable, match="no root key of version 2"):
            old.unwrap(again, b"c")

    def test_nothing_is_rotated_that_could_not_be_announced(self, path: Path) -> None:
        """It is announced which version comes, before the file has it."""
        before, announced = path.read_bytes(), list[int]()

        def refuse(version: int) -> None:
            announced.append(version)
            assert path.read_bytes() == before
            raise KeyUnavailable("no")

        with pytest.raises(KeyUnavailable):
            rotate(path, os.urandom, region=REGION, announce=refuse)
        assert path.read_bytes() == before
        assert rotate(path, os.urandom, region=REGION, announce=announced.append) == 2
        assert announced == [2, 2]

    def test_only_its_section(self, path: Path) -> None:
        """Root, pseudonym and signing keys are rotated each on its own."""
        old = load(path)
        rotate(path, os.urandom, region=REGION, section="pseudonym")
        rotate(path, os.urandom, region=REGION, section="signing")
        new = load(path)

        assert new.current == 1
        assert list(new.pseudonym_keys()) == list(new.signing_keys()) == [1, 2]
        assert new.pseudonym_keys()[1] == old.pseudonym_keys()[1]
        assert (
            new.signing_keys()[1].private_bytes_raw() == old.signing_keys()[1].private_bytes_raw()
        )
        assert Pseudonyms(new.pseudonym_keys()).current == 2

    def test_of_many_at_once_none_is_lost(self, path: Path) -> None:
        """Processes that rotate at the same time add a version each: no key is taken away."""
        processes = multiprocessing.get_context("forkserver")
        processes.set_forkserver_preload([rotate_once.__module__])
        with processes.Pool(4) as pool:
            versions = pool.map(rotate_once, [path] * 12)

        assert sorted(versions) == list(range(2, 14))
        assert load(path).current == 13
        assert list(path.parent.iterdir()) == [path]

    def test_keeps_mode_and_link(self, path: Path, tmp_path: Path) -> None:
        """A rotated file is 0600 again, and a link to it stays a link."""
        link = tmp_path / "link"
        link.symlink_to(path)
        path.chmod(0o400)
        rotate(link, os.urandom, region=REGION)

        assert link.is_symlink()
        assert load(link).current == 2
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_keeps_the_owner(self, path: Path) -> None:
        """Root rotates the file of a service, and the service can still read it."""
        os.chown(path, 12345, 23456)
        rotate(path, os.urandom, region=REGION)

        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)

    @pytest.mark.parametrize(("target", "call"), [(os, "fsync"), (Path, "replace")])
    def test_a_failure_changes_nothing(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, target: object, call: str
    ) -> None:
        """A full disk leaves the old file as it was, and no key beside it."""
        before = path.read_bytes()

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(target, call, fail)
        with pytest.raises(SettingsError, match="No space left"):
            rotate(path, os.urandom, region=REGION)

        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    def test_ends_with_the_last_version(self, path: Path) -> None:
        """A version has to fit its byte: the 256th is refused and the file stays."""
        damage(path, lambda d: d["root"].update({"255": d["root"]["1"]}))
        with pytest.raises(SettingsError, match="no version left"):
            rotate(path, os.urandom, region=REGION)

        assert load(path).current == 255

    def test_refuses_another_regions_file(self, path: Path) -> None:
        """A rotation names the region too, and changes no other's file."""
        before = path.read_bytes()
        with pytest.raises(SettingsError, match="not of us-east-1"):
            rotate(path, os.urandom, region="us-east-1")

        assert path.read_bytes() == before


def rotate_once(path: Path) -> int:
    """One rotation, in a process of its own."""
    return rotate(path, os.urandom, region=REGION)


def test_randomness_that_gives_too_little_is_refused(tmp_path: Path) -> None:
    """No key and no nonce is made of fewer bytes than it has."""
    path = tmp_path / "keys"
    with pytest.raises(ValueError, match="too few"):
        create(path, lambda _: b"too short", region=REGION)

    assert list(tmp_path.iterdir()) == []
    create(path, os.urandom, region=REGION)
    keys = LocalRootKeys.load(path, lambda _: b"too short", region=REGION)
    with pytest.raises(ValueError, match="too few"):
        keys.wrap(KEY, b"")


def test_repr_shows_no_key(path: Path) -> None:
    """The repr tells region and versions and nothing else."""
    expected = "versions={'root': [1], 'pseudonym': [1], 'signing': [1]}"

    assert repr(load(path)) == str(load(path)) == f"LocalRootKeys(region='{REGION}', {expected})"
