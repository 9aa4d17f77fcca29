"""Model folders from elsewhere: what the card says of them, and that they can neither run nor change anything."""

import json

import pytest

import textclassify
from textclassify import FusionEnsemble, LinearClassifier, LLMClassifier, ScoreFusion, Scores
from textclassify.core.dataset import content_hash
from textclassify.core.labels import LabelSchema
from textclassify.core.model_card import MOST_LABELS, CardFacts, plain, write_card
from textclassify.core.storage import MANIFEST, sealed
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, StorageError
from textclassify.testing import FixedClassifier, ScriptedChat

TEXTS = ["parcel late", "parcel lost", "no parcel", "wrong bill", "bill twice", "the bill"]
GOLD = ["delivery"] * 3 + ["billing"] * 3
LABELS = {"delivery": "Parcels on their way.", "billing": "Charges and invoices."}


@pytest.fixture
def folder(tmp_path):
    """A small saved model."""
    LinearClassifier(labels=LABELS).fit(TEXTS, GOLD).save(tmp_path / "model")
    return tmp_path / "model"


def card(folder):
    return (folder / "README.md").read_text(encoding="utf-8")


def test_the_card_says_what_was_learned_from_which_rows(folder):
    """The hash tells whether a table at hand is the one that the model was trained on."""
    data = TrainingData(TEXTS, GOLD, schema=LabelSchema.of(LABELS))

    for said in ("LinearClassifier", "| billing | Charges and invoices. |", "rows | 6 |", content_hash(data)):
        assert said in card(folder)
    assert card(folder).rstrip().endswith("a folder in which it was changed is not loaded.")
    assert textclassify.load(folder).training_facts_ == {"rows": 6, "sha256": content_hash(data)}


def test_the_card_says_what_its_user_gives(folder):
    """Metrics come as evaluations write them, or as plain numbers; a loaded model is saved with new ones."""
    textclassify.load(folder).save(
        folder,
        card={
            "metrics": {"accuracy": {"value": 0.91234, "low": 0.9, "high": float("nan")}, "macro_f1": 0.5},
            "intended_use": "Sorting the <support> mail.",
            "limitations": "German only.",
            "data": {"test": {"rows": 40}},
        },
    )

    for said in (
        "| accuracy | 0.9123 |",
        "| macro_f1 | 0.5 |",
        "&lt;support&gt;",
        "German only.",
        "test, rows | 40",
    ):
        assert said in card(folder)


def test_an_unknown_key_of_a_card_suggests_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="unknown key 'metric' of a model card; did you mean 'metrics'"):
        FixedClassifier({"a": [1, 0]}).save(tmp_path / "model", card={"metric": {}})
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("metrics", ["high", {"accuracy": "high"}, {"accuracy": {"value": [1]}}])
def test_metrics_of_a_card_are_numbers(tmp_path, metrics):
    """Before anything is written."""
    with pytest.raises(ConfigError, match=r"of the card .*pass"):
        FixedClassifier({"a": [1, 0]}).save(tmp_path / "model", card={"metrics": metrics})
    assert not (tmp_path / "model").exists()


def test_the_card_of_a_fusion_names_its_sources(tmp_path):
    """Also through an ensemble that was loaded, whose sources are still in their folders."""
    source = FixedClassifier({text: [0.9, 0.1] if "parcel" in text else [0.2, 0.8] for text in TEXTS}, ["a", "b"])
    fusion = FusionEnsemble({"given": source, "words": LinearClassifier()}, fusion_epochs=1)
    fusion.fit(TEXTS, ["a"] * 3 + ["b"] * 3)
    fusion.save(tmp_path / "model")

    assert "| source given | fixed |" in card(tmp_path / "model")
    assert "| source words | linear |" in card(tmp_path / "model")
    assert [path.parent.name for path in (tmp_path / "model").rglob("README.md")] == ["model"]


def test_a_score_fusion_has_a_card(tmp_path):
    """It takes scores, and the card says so."""
    scores = Scores.from_probabilities([[0.9, 0.1], [0.2, 0.8]], ["ham", "spam"])
    ScoreFusion().fit({"encoder": scores}, ["ham", "spam"]).save(tmp_path / "fusion", card={"metrics": {"f1": 0.25}})

    assert 'predict({"a source": scores})' in card(tmp_path / "fusion")
    assert "| f1 | 0.25 |" in card(tmp_path / "fusion")


def test_a_card_tells_when_texts_may_leave_the_machine(tmp_path):
    classifier = LLMClassifier(LABELS, chat=ScriptedChat({}), cache_dir=tmp_path / "cache")
    classifier.save(tmp_path / "model")

    assert "the text leaves this machine" in card(tmp_path / "model")
    assert "it has not been trained on labelled rows" in card(tmp_path / "model")


def test_labels_cannot_write_markup_into_a_card(tmp_path):
    """Hubs show cards as pages; many labels do not make a book of it."""
    schema = LabelSchema(("<script>x</script>", "a | b\n# c", *map(str, range(2 * MOST_LABELS))))
    write_card(tmp_path, CardFacts(kind="k", class_name="K", model="[m](http://x)", schema=schema))

    assert "<script>" not in card(tmp_path)
    assert "\n# c" not in card(tmp_path)
    assert f"and {2 + MOST_LABELS} more" in card(tmp_path)
    assert plain("x" * 1000).endswith(" …")


FILES = ["README.md", "linear.safetensors", MANIFEST, "vocabulary.json"]


def test_the_files_below_are_all_there_are(folder):
    assert sorted(path.name for path in folder.rglob("*")) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_one_flipped_bit_in_any_file_is_noticed(folder, name, place):
    """A changed card, weight, word or option: none of them is loaded."""
    content = bytearray((folder / name).read_bytes().rstrip(b"\n"))
    content[int(place * len(content)) if place != -1 else -1] ^= 1
    (folder / name).write_bytes(bytes(content))

    with pytest.raises(StorageError, match=r"was changed|is damaged|was not saved with it"):
        textclassify.load(folder)


CODE = "import pathlib; pathlib.Path(__file__).with_name('it_ran').touch()\n"


@pytest.mark.parametrize("name", ["setup.py", "sitecustomize.py", "modeling_x.py", "conftest.py", "__init__.py"])
def test_code_in_a_folder_is_refused_and_not_run(folder, name):
    (folder / name).write_text(CODE)

    with pytest.raises(StorageError, match=rf"'{name}' in .* was not saved with it"):
        textclassify.load(folder)
    assert not (folder / "it_ran").exists()


def resealed(folder, change):
    """Return the folder after a stranger changed its manifest and computed its checksum anew."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(sealed(manifest)), encoding="utf-8")
    return folder


@pytest.mark.parametrize("kind", ["os:system", "../linear", "builtins:eval", "subprocess:Popen"])
def test_a_kind_is_looked_up_and_never_imported(folder, kind):
    """Checksums are no signature: whoever writes a folder can write them."""
    resealed(folder, lambda manifest: manifest.update(kind=kind))

    with pytest.raises(StorageError, match="is not known here"):
        textclassify.load(folder)


@pytest.mark.parametrize("name", ["labels", "template"])
def test_a_folder_cannot_have_other_files_read(tmp_path, name):
    """A prompt goes to a server; no file of this machine may be named as one."""
    (tmp_path / "secret").write_text("{text} secret")
    LLMClassifier(LABELS, chat=ScriptedChat({}), cache_dir=tmp_path / "c").save(tmp_path / "model")
    resealed(tmp_path / "model", lambda one: one["state"]["parameters"].update({name: str(tmp_path / "secret")}))

    with pytest.raises(StorageError, match="no file is read for them"):
        textclassify.load(tmp_path / "model")
