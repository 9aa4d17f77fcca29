"""Model folders: written whole or not at all, and never read when something about them is wrong."""

import copy
import json
import os
import pickle
import sys

import numpy as np
import pytest
from sklearn.base import clone

from textclassify import __version__
from textclassify.core.storage import (
    MANIFEST,
    FromFile,
    FromFolder,
    new_folder,
    read_arrays,
    read_manifest,
    sealed,
    write_arrays,
    write_manifest,
)
from textclassify.errors import StorageError


def saved(folder, number=1.5):
    with new_folder(folder) as temporary:
        write_arrays(temporary / "weights.safetensors", {"w": np.full(4, number)})
        write_manifest(temporary, "linear", {"learned": {"number": number}})
    return folder


def test_a_saved_folder_comes_back_bit_for_bit(tmp_path):
    """State, arrays and kind; the temporary folder and the lock are gone."""
    folder = saved(tmp_path / "deep" / "model")

    assert read_manifest(folder) == ("linear", {"learned": {"number": 1.5}})
    np.testing.assert_array_equal(read_arrays(folder / "weights.safetensors")["w"], np.full(4, 1.5))
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_saving_again_replaces_a_saved_classifier(tmp_path):
    """Training twice into one folder is the everyday case."""
    saved(saved(tmp_path / "model"), number=2.5)

    assert read_manifest(tmp_path / "model")[1] == {"learned": {"number": 2.5}}
    assert len(list(tmp_path.iterdir())) == 1


def test_an_error_while_writing_leaves_the_old_model(tmp_path):
    """A crash in the last second of training must not cost the model of yesterday."""
    folder = saved(tmp_path / "model")

    with pytest.raises(KeyboardInterrupt), new_folder(folder):
        raise KeyboardInterrupt

    assert read_manifest(folder)[1] == {"learned": {"number": 1.5}}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_truncated_file_is_refused(tmp_path):
    """A copy that was cut short would predict nonsense."""
    weights = saved(tmp_path / "model") / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3])

    with pytest.raises(StorageError, match=r"'weights.safetensors' in .* was changed or cut short"):
        read_manifest(tmp_path / "model")


def test_a_changed_file_is_refused(tmp_path):
    """One flipped bit is enough."""
    weights = saved(tmp_path / "model") / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))

    with pytest.raises(StorageError, match="was changed or cut short"):
        read_manifest(tmp_path / "model")


@pytest.mark.parametrize("change", [{"kind": "fusion"}, {"sha256": {}}, {"manifest_sha256": "0"}, {"state": {}}])
def test_a_changed_manifest_is_refused(tmp_path, change):
    """Its state decides what is predicted, and its list what is checked; another layout of the same is none."""
    folder = saved(tmp_path / "model")
    manifest = json.loads((folder / MANIFEST).read_text())

    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert read_manifest(folder)[0] == "linear"
    (folder / MANIFEST).write_text(json.dumps(manifest | change))
    with pytest.raises(StorageError, match="was changed after it was saved"):
        read_manifest(folder)


def test_a_missing_file_is_named(tmp_path):
    """The user learns what to copy again."""
    (saved(tmp_path / "model") / "weights.safetensors").unlink()

    with pytest.raises(StorageError, match=r"'weights.safetensors' is missing"):
        read_manifest(tmp_path / "model")


def test_a_manifest_cannot_point_outside_its_folder(tmp_path):
    """A model from the internet may not have files of this machine read."""
    folder = saved(tmp_path / "model")
    manifest = json.loads((folder / MANIFEST).read_text())
    (tmp_path / "secret").write_text("secret")

    for name in ("../secret", str(tmp_path / "secret")):
        (folder / MANIFEST).write_text(json.dumps(sealed(manifest | {"sha256": {**manifest["sha256"], name: "0"}})))
        with pytest.raises(StorageError, match=rf"lists '{name}', which is outside of it"):
            read_manifest(folder)


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        (99, rf"format 99, written by textclassify 9\.9; textclassify {__version__} reads format 1: upgrade it with"),
        (
            0,
            rf"format 0, and textclassify {__version__} reads format 1; use textclassify 9\.9, which wrote it",
        ),
    ],
)
def test_another_format_names_both_versions_and_what_to_do(tmp_path, version, remedy):
    """A newer one may lack what this version looks for, so that nothing else of it is looked at."""
    folder = saved(tmp_path / "model")
    (folder / MANIFEST).write_text(json.dumps({"format": version, "textclassify": "9.9"}))

    with pytest.raises(StorageError, match=remedy):
        read_manifest(folder)


@pytest.mark.parametrize("name", ["weights.bin", "part/modeling_x.py", "adapter_config.json"])
def test_a_file_that_was_not_saved_is_refused(tmp_path, name):
    """Libraries read whatever they find in a folder; what was added could change the answers or be run."""
    folder = saved(tmp_path / "model")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")

    with pytest.raises(StorageError, match=rf"'{name}' in .* was not saved with it; remove it"):
        read_manifest(folder)


def test_hidden_files_of_other_programs_do_no_harm(tmp_path):
    """File managers and git leave them; nothing reads them."""
    folder = saved(tmp_path / "model")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref")
    (folder / ".DS_Store").write_text("x")

    assert read_manifest(folder)[0] == "linear"


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_link_out_of_the_folder_is_refused(tmp_path, is_listed):
    """It could have any file of this machine read, and sent to a server as a prompt."""
    folder = saved(tmp_path / "model")
    target = folder / "weights.safetensors" if is_listed else folder / "part"
    (tmp_path / "outside").mkdir()
    if is_listed:
        (tmp_path / "outside" / "w").write_bytes(target.read_bytes())
        target.unlink()
    target.symlink_to(tmp_path / "outside" / "w" if is_listed else tmp_path / "outside")

    with pytest.raises(StorageError, match="is a link to a file outside of it"):
        read_manifest(folder)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": 1}',
        "\udcff",
        "[" * 100_000,
        '{"format": "1", "kind": "linear", "state": {}, "sha256": {}}',
        '{"format": 1, "kind": "linear", "state": {}, "sha256": [1]}',
        '{"format": 1, "kind": ["linear"], "state": {}, "sha256": {}}',
        '{"format": 1, "kind": "linear", "state": [], "sha256": {}}',
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path, content):
    """Whatever is in the file, the message says that it is damaged."""
    folder = saved(tmp_path / "model")
    (folder / MANIFEST).write_bytes(content.encode("utf-8", "surrogateescape"))

    with pytest.raises(StorageError, match="is damaged"):
        read_manifest(folder)


@pytest.mark.parametrize("mark", [FromFile, FromFolder])
def test_what_was_read_from_a_file_stays_marked_in_copies(mark):
    """A clone of a loaded classifier is as little its user's word as the classifier itself."""
    value = mark("https://x")

    for copied in (copy.deepcopy({"a": value})["a"], pickle.loads(pickle.dumps(value)), clone(value, safe=False)):
        assert type(copied) is mark
        assert copied == "https://x"


def test_a_folder_without_a_classifier_says_so(tmp_path):
    """Also one that does not exist."""
    with pytest.raises(StorageError, match="no saved classifier"):
        read_manifest(tmp_path / "nothing")


def test_a_damaged_array_file_is_refused(tmp_path):
    """Inside a folder that was verified before, this is a disk error."""
    (tmp_path / "weights").write_bytes(b"12345678rubbish")

    with pytest.raises(StorageError, match="cannot be read"):
        read_arrays(tmp_path / "weights")


def test_other_files_are_never_overwritten(tmp_path):
    """`--output .` must not delete a project."""
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(StorageError, match="holds other files"), new_folder(tmp_path):
        pass
    with pytest.raises(StorageError, match="it is a file"), new_folder(tmp_path / "thesis.tex"):
        pass
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_two_runs_cannot_write_one_folder(tmp_path):
    """The second one is told to wait; the first one is not disturbed."""
    with new_folder(tmp_path / "model") as temporary:
        with pytest.raises(StorageError, match="is being written by another process"), new_folder(tmp_path / "model"):
            pass
        write_manifest(temporary, "linear", {})

    assert read_manifest(tmp_path / "model") == ("linear", {})


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_place_is_refused(tmp_path):
    """The message names the folder, not a temporary file in it."""
    (tmp_path / "locked").mkdir(mode=0o500)

    for folder in (tmp_path / "locked", tmp_path / "locked" / "model"):
        with pytest.raises(StorageError, match=rf"cannot write to '{folder}'"), new_folder(folder):
            pass


def test_a_folder_below_a_file_is_refused(tmp_path):
    """Mistyped paths end here as well."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(StorageError, match="cannot write to"), new_folder(tmp_path / "file" / "model"):
        pass
