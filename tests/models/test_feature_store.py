"""Features on disk: kept once, whatever ends the process, and never mixed up."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from textclassify.errors import ConfigError, DataError, ModelError, StorageError
from textclassify.models.feature_store import FeatureSpec, FeatureStore, read_spec
from textclassify.models.features.folder import SPEC_FILE, TEMPORARY, open_new

SPEC = FeatureSpec("a model", None, "mean", 256, "float32", shape=(2,))
TEXTS = ["good", "bad", "so so"]
VALUES = np.array([[1, 0], [0, 1], [0.5, 0.25]], dtype=np.float32)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def filled(folder):
    """The folder of a store with three texts, whose process has ended."""
    with FeatureStore(folder, SPEC) as store:
        store.add(TEXTS, VALUES)
    return folder


def shards(folder):
    return sorted(folder.glob("*.npy"))


def numbered(count, start=0):
    """Texts and features that tell each of them."""
    numbers = np.arange(start, start + count)
    return [f"text {number}" for number in numbers], np.stack([numbers, numbers % 7], axis=1).astype(np.float32)


class FullDisk:
    """A disk with room for so many bytes; what does not fit fails half-written, as on a real one."""

    def __init__(self, room):
        self.room = room

    def __call__(self, path):
        stream = open_new(path)
        write = stream.write

        def bounded(part):
            size = memoryview(part).nbytes
            if size > self.room:
                write(memoryview(part).cast("B")[: self.room])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.room -= size
            return write(part)

        return _Bounded(stream, bounded)


class _Bounded:
    def __init__(self, stream, write):
        self._stream = stream
        self.write = write
        self.flush, self.fileno = stream.flush, stream.fileno

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stream.close()


def test_what_was_kept_is_there_for_the_next_process(filled):
    """In the order asked for, and a text as often as it is asked for."""
    store = FeatureStore(filled, SPEC)

    np.testing.assert_array_equal(store.rows(["so so", "good", "so so"]), VALUES[[2, 0, 2]])
    assert store.missing(["new", "bad", "newer", "new"]) == ["new", "newer"]
    assert len(store) == 3


def test_a_text_is_kept_once_and_as_it_was_first(folder):
    """Within one call, while it waits to be written, and afterwards."""
    with FeatureStore(folder, SPEC) as store:
        store.add(["a", "b", "a"], [[1, 1], [2, 2], [3, 3]])
        store.add(["b"], [[4, 4]])
        assert store.missing(["a", "b"]) == []
        store.flush()
        store.add(["a"], [[5, 5]])

        assert len(store) == 2
        np.testing.assert_array_equal(store.rows(["a", "b"]), [[1, 1], [2, 2]])
    assert len(shards(folder)) == 1


def test_full_shards_and_features_that_waited_long_are_written_by_themselves(folder):
    """A process that is killed loses half a minute's work at most, and holds one shard at most."""
    by_size = FeatureStore(folder, SPEC, shard_bytes=40)  # ten texts
    by_size.add(*numbered(25))
    by_time = FeatureStore(folder, SPEC, flush_seconds=0)
    by_time.add(["old"], [[0, 0]])

    found = FeatureStore(folder, SPEC)

    assert (len(by_size), len(found)) == (25, 21)
    assert found.missing(["old", "text 19", "text 20"]) == ["text 20"]


def test_shards_are_numpys_format_and_hold_no_text(filled):
    """Whoever has numpy can read them; whoever has only them cannot read the texts."""
    (shard,) = shards(filled)
    with shard.open("rb") as stream:
        keys, values = np.load(stream, allow_pickle=False), np.load(stream, allow_pickle=False)

    assert (keys.shape, values.dtype) == ((3, 2), np.float16)
    np.testing.assert_array_equal(values, VALUES)
    assert not [path for path in filled.iterdir() if b"good" in path.read_bytes()]
    assert filled.stat().st_mode & 0o077 == 0


def test_0_texts_are_kept_and_read(folder):
    """An empty part of a data set is no error."""
    with FeatureStore(folder, SPEC) as store:
        store.add([], [])

        assert store.missing([]) == []
        assert np.asarray(store.rows([])).shape == (0, 2)
    assert shards(folder) == []


def test_a_text_that_is_not_kept_is_named_by_its_place(filled):
    """Reading another text's features instead would never be noticed."""
    with pytest.raises(DataError, match=r"1 of 2 texts .* text 1 .*missing"):
        FeatureStore(filled, SPEC).rows(["good", "new"])


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([[1, 0], [np.nan, 1]], ModelError, r'text 1 of 2 .* nan, .*precision="fp32"'),
        ([[-np.inf, 0], [0, 1]], ModelError, "text 0 of 2 .* -inf"),
        ([[1, 0], [0, -70000]], StorageError, 'text 1 of 2 .* -70000, .* 65504; .*store_dtype="float32"'),
        ([[1, 0, 0], [0, 1, 0]], DataError, r"shape \(2, 3\); .* shape \(2, 2\)"),
        ([["1", "0"], ["0", "1"]], DataError, "numbers of shape"),
    ],
)
def test_values_that_cannot_be_kept_are_refused_with_their_place(folder, values, error, message):
    """None of the call is kept: a NaN in a store would spoil every head that is trained on it."""
    with FeatureStore(folder, SPEC) as store:
        with pytest.raises(error, match=message):
            store.add(["a", "b"], values)

        assert store.missing(["a", "b"]) == ["a", "b"]


def test_float32_keeps_what_half_precision_cannot(folder):
    """The remedy that the refusal names."""
    spec = FeatureSpec("a model", None, "mean", 256, "float32", shape=(2,), dtype="float32")
    with FeatureStore(folder, spec) as store:
        store.add(["a"], [[70001, 1e-9]])

        np.testing.assert_array_equal(store.rows(["a"]), np.float32([[70001, 1e-9]]))


@pytest.mark.timeout(30)
def test_a_store_of_other_features_says_what_differs(filled):
    """Vectors of two models in one table would look like any others."""
    other = FeatureSpec("another", (-1, -2), "mean", 256, "float32", shape=(2,))

    with pytest.raises(
        StorageError, match=r"model 'a model' there, 'another' here; layers None there, \(-1, -2\) here"
    ) as refused:
        FeatureStore(filled, other)
    assert len(FeatureStore(filled, SPEC)) == 3, refused  # a failed opening holds no lock, whoever holds its error
    assert (read_spec(filled), other.digest != SPEC.digest) == (SPEC, True)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:40], "damaged"),
        (lambda text: text.replace("a model", "a mOdel"), "damaged .*changed"),
        (lambda _: '{"format": 1, "features": [1]}', "damaged"),
        (lambda _: "[]", "damaged"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "format 2, this version reads 1"),
    ],
)
def test_a_damaged_description_of_the_features_is_recognised(filled, damage, message):
    """Without it nobody knows what the numbers are."""
    file = filled / SPEC_FILE
    file.write_text(damage(file.read_text()))

    with pytest.raises(StorageError, match=message):
        FeatureStore(filled, SPEC)


@pytest.mark.parametrize("size", [0, 5, 100, 130, 200, 300, -1, -12])
def test_a_shard_that_was_cut_short_is_named_and_never_read(filled, size):
    """A copy that was broken off; without the file its texts are computed anew."""
    (shard,) = shards(filled)
    content = shard.read_bytes()
    shard.write_bytes(content[:size])

    with pytest.raises(StorageError, match=f"{shard.name}.* damaged: .*remove this file"):
        FeatureStore(filled, SPEC)
    shard.unlink()
    assert FeatureStore(filled, SPEC).missing(TEXTS) == TEXTS


def test_a_shard_of_another_width_is_named(filled, tmp_path):
    """Somebody has copied a file between stores."""
    wider = FeatureSpec("a model", None, "mean", 256, "float32", shape=(3,))
    with FeatureStore(tmp_path / "wider", wider) as store:
        store.add(["x"], [[1, 2, 3]])
    shutil.copy(shards(tmp_path / "wider")[0], filled)

    with pytest.raises(StorageError, match=r"of shape \(3,\) where float16 of shape \(2,\) belongs"):
        FeatureStore(filled, SPEC)


def test_a_shard_that_vanishes_or_shrinks_while_it_is_used_is_named(filled):
    """Reading past the end of a mapped file would end the process."""
    rows = FeatureStore(filled, SPEC).rows(TEXTS)
    (shard,) = shards(filled)
    shard.write_bytes(shard.read_bytes()[:-2])
    with pytest.raises(StorageError, match="damaged"):
        rows[0]
    shard.unlink()
    with pytest.raises(StorageError, match="open the feature store again"):
        rows[0]


def test_a_folder_that_is_removed_while_it_is_used_is_named(filled):
    """Somebody has emptied the cache folder."""
    store = FeatureStore(filled, SPEC)
    shutil.rmtree(filled)

    with pytest.raises(StorageError, match="cannot read the feature store"):
        store.missing(["new"])


def test_unfinished_files_are_never_read_and_go_when_nobody_else_is_there(filled):
    """Another process may still be writing them."""
    unfinished = filled / f"{TEMPORARY}abc"
    with FeatureStore(filled, SPEC) as first:
        unfinished.write_bytes(b"half")
        second = FeatureStore(filled, SPEC)
        assert unfinished.exists()
        assert len(second) == 3
    del first, second

    assert len(FeatureStore(filled, SPEC)) == 3
    assert not unfinished.exists()


def test_a_folder_with_other_things_and_a_file_are_left_alone(tmp_path):
    """A mistyped path must not fill somebody's folder."""
    file = tmp_path / "notes.txt"
    file.write_text("mine")

    with pytest.raises(StorageError, match=r"other files, such as 'notes.txt'.*empty folder"):
        FeatureStore(tmp_path, SPEC)
    with pytest.raises(StorageError, match="is a file; name a folder"):
        FeatureStore(file, SPEC)
    with pytest.raises(StorageError, match="cannot make a feature store"):
        FeatureStore(file / "below", SPEC)
    with pytest.raises(StorageError, match="no feature store"):
        read_spec(tmp_path)
    assert sorted(tmp_path.iterdir()) == [file]


@pytest.fixture
def somebody():
    """A folder in which the user of this process owns nothing, and a way to become that user."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    user = os.geteuid()
    yield folder, lambda: os.seteuid(65534) if user == 0 else folder.chmod(0o555)
    os.seteuid(user)
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_store_that_one_may_only_read_is_read_and_says_so_when_written(somebody):
    """Stores are shared; what cannot be kept is an error that names the folder."""
    folder, lose_rights = somebody
    with FeatureStore(folder, SPEC) as store:
        store.add(TEXTS, VALUES)
    lose_rights()
    reader = FeatureStore(folder, SPEC)

    np.testing.assert_array_equal(reader.rows(TEXTS), VALUES)
    reader.add(["new"], [[0, 0]])
    with pytest.raises(StorageError, match=r"cannot write to the feature store .*Permission denied"):
        reader.flush()
    with pytest.raises(StorageError, match=r"cannot make a feature store .*Permission denied"):
        FeatureStore(folder / "new", SPEC)


def test_a_full_disk_is_an_error_that_says_what_is_kept_and_the_run_goes_on(folder):
    """Nothing half-written stays, what was kept is read, and what waits is written once there is room."""
    disk = FullDisk(2000)
    with FeatureStore(folder, SPEC, open_file=disk) as store:
        store.add(*numbered(5))
        store.flush()
        store.add(*numbered(500, start=5))
        with pytest.raises(StorageError, match=r"500 more texts .*No space left.* 5 texts are kept .*0.0 MB"):
            store.flush()
        assert [path for path in folder.iterdir() if path.name.startswith(TEMPORARY)] == []
        assert len(FeatureStore(folder, SPEC)) == 5
        disk.room = 10**6

    texts, values = numbered(505)
    np.testing.assert_array_equal(FeatureStore(folder, SPEC).rows(texts), values)


def fail_after(add, texts, values):
    add(texts, values)
    raise KeyError("why")


def test_a_full_disk_does_not_hide_why_a_run_failed(folder):
    """The first error is the one to be told of."""
    with pytest.raises(KeyError, match="why"), FeatureStore(folder, SPEC, open_file=FullDisk(1000)) as store:
        fail_after(store.add, *numbered(500))
    with pytest.raises(StorageError, match=r"cannot make .*No space left"):
        FeatureStore(folder / "other", SPEC, open_file=FullDisk(10))


KILLED = """
import os, signal, sys
import numpy as np
from textclassify.models.feature_store import FeatureSpec, FeatureStore
store = FeatureStore(sys.argv[1], FeatureSpec("a model", None, "mean", 256, "float32", shape=(2,)))
for start in (0, 10):
    numbers = np.arange(start, start + 10)
    store.add([f"text {n}" for n in numbers], np.stack([numbers, numbers % 7], axis=1))
    if start == 0:
        store.flush()
print("ready", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def python(code, folder):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


def test_a_killed_process_loses_only_what_it_had_not_flushed(folder):
    """The next one goes on from there, and keeps no text twice."""
    with python(KILLED, folder) as killed:
        assert killed.communicate()[0] == "ready\n"
    texts, values = numbered(20)
    with FeatureStore(folder, SPEC) as store:
        missing = store.missing(texts)
        assert missing == texts[10:]
        store.add(missing, values[10:])

    assert sum(len(np.load(shard, allow_pickle=False)) for shard in shards(folder)) == 20
    np.testing.assert_array_equal(FeatureStore(folder, SPEC).rows(texts), values)


WRITING = """
import sys
import numpy as np
from textclassify.models.feature_store import FeatureSpec, FeatureStore
spec = FeatureSpec("a model", None, "mean", 256, "float32", shape=(2,))
with FeatureStore(sys.argv[1], spec) as store:
    first = int(input())
    for start in range(first, first + 200, 20):
        numbers = np.arange(start, start + 20)
        store.add([f"text {n}" for n in numbers], np.stack([numbers, numbers % 7], axis=1))
        store.flush()
"""


def test_two_processes_write_one_store_at_once_and_nothing_is_lost(folder):
    """Their texts overlap; a third sees both's work when it misses something."""
    watching = FeatureStore(folder, SPEC)
    writers = [python(WRITING, folder), python(WRITING, folder)]
    for writer, first in zip(writers, ("0\n", "100\n"), strict=True):
        writer.stdin.write(first)
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0

    texts, values = numbered(300)
    assert watching.missing(texts) == []
    np.testing.assert_array_equal(watching.rows(texts), values)
    assert len(watching) == 300


def test_what_another_process_flushed_is_seen(folder):
    """Two who share the work compute no text twice."""
    one, other = FeatureStore(folder, SPEC), FeatureStore(folder, SPEC)
    one.add(["a"], [[1, 1]])
    assert other.missing(["a"]) == ["a"]
    one.flush()

    assert other.missing(["a"]) == []
    np.testing.assert_array_equal(other.rows(["a"]), [[1, 1]])


def test_many_small_shards_become_one_when_nobody_else_is_there(folder):
    """A file for every few texts would make opening slow; a reader's files stay."""
    texts, values = numbered(2400)
    values %= 1000  # whole in half precision
    store = FeatureStore(folder, SPEC, shard_bytes=9100)  # 2,275 texts
    for row in range(0, 2400, 100):
        store.add(texts[row : row + 100], values[row : row + 100])
        store.flush()
    rows = store.rows(texts)
    FeatureStore(folder, SPEC, shard_bytes=9100)
    assert len(shards(folder)) == 24
    np.testing.assert_array_equal(rows, values)
    del store, rows

    again = FeatureStore(folder, SPEC, shard_bytes=9100)

    assert len(shards(folder)) == 2
    np.testing.assert_array_equal(again.rows(texts), values)


@pytest.mark.parametrize("options", [{"shape": ()}, {"shape": (0,)}, {"shape": (2,), "dtype": "int8"}])
def test_features_that_hold_nothing_or_are_no_floats_are_refused(options):
    """Before a folder is made for them."""
    with pytest.raises(ConfigError, match=r"such as|known: float16, float32"):
        FeatureSpec("a model", None, "mean", 256, "float32", **options)


def test_the_description_is_plain_json_and_survives(filled):
    """Layers come back as they were: a list would be another model's."""
    spec = FeatureSpec("ünï", (-1, -2), "mean", 256, "bfloat16", shape=(2, 3))

    assert FeatureSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert json.loads((filled / SPEC_FILE).read_text())["features"]["model"] == "a model"
    assert len(spec.digest) == 32
