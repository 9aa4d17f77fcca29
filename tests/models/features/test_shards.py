"""Shards are mapped a few at a time."""

import numpy as np
import pytest

from textclassify.models.features.folder import open_new
from textclassify.models.features.index import text_keys
from textclassify.models.features.shards import MappedShards, new_name, read_shard, shard_names, write_shard
from textclassify.models.features.spec import FeatureSpec

SPEC = FeatureSpec("a model", None, "mean", 256, "float32", shape=(2,))
VALUES = np.arange(40, dtype=np.float16).reshape(20, 2)


@pytest.fixture
def paths(tmp_path):
    """Ten shards of two texts."""
    found = [tmp_path / new_name(number) for number in range(10)]
    for number, path in enumerate(found):
        keys = text_keys([f"a {number}", f"b {number}"])
        write_shard(path, [keys[:1], keys[1:]], [VALUES[2 * number : 2 * number + 2]], SPEC, open_new)
    return found


@pytest.mark.parametrize("limits", [{"most_mapped": 3}, {"resident_bytes": 20}])
def test_a_store_is_read_whatever_its_size_in_the_memory_of_some_shards(paths, limits):
    """A million texts' features neither fill the memory nor use up the file descriptors."""
    mapped = MappedShards(SPEC, None, **limits)
    places = np.concatenate([mapped.append(read_shard(path, SPEC)[0]) for path in paths])
    order = np.random.default_rng(0).permutation(20)

    np.testing.assert_array_equal(mapped.gather(places[order]), VALUES[order])
    assert len(mapped._maps) <= 3


def test_files_that_fit_stay_mapped(paths):
    """Mapping a file again for every minibatch would cost more than reading it."""
    mapped = MappedShards(SPEC, None, most_mapped=10)
    places = np.concatenate([mapped.append(read_shard(path, SPEC)[0]) for path in paths])
    mapped.gather(places)
    before = dict(mapped._maps)

    mapped.gather(places)

    assert len(before) == 10
    assert all(mapped._maps[number] is values for number, values in before.items())


def test_names_sort_by_age_and_other_files_are_no_shards(paths):
    """The first features that were kept of a text are the ones that count, in every process."""
    (paths[0].parent / "notes.npy").write_bytes(b"mine")

    assert shard_names(paths[0].parent) == [path.name for path in paths]
    assert new_name() != new_name()
