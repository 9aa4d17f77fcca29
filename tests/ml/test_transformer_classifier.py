"""Fine-tuned encoders: the contract, what options change, and folders that Hugging Face reads."""

import logging

import numpy as np
import pytest

import textclassify
from textclassify import RoBERTaClassifier, TransformerClassifier
from textclassify.core.progress import listening
from textclassify.core.shared_work import sharing
from textclassify.errors import ConfigError
from textclassify.testing import check_classifier

WORDS = "a the cat dog bird runs sleeps good bad very late parcel bill money refund is my was where not and".split()  # noqa: SIM905

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from textclassify.ml import transformer_classifier  # noqa: E402 - it needs torch
from textclassify.models import inference  # noqa: E402


@pytest.fixture
def make(tiny_encoder):
    def make_classifier(kind=TransformerClassifier, **options):
        return kind(str(tiny_encoder), **{"num_epochs": 2, "learning_rate": 1e-3, **options})

    return make_classifier


@pytest.mark.parametrize("kind", [TransformerClassifier, RoBERTaClassifier])
def test_the_classifier_keeps_the_contract(make, messages, kind):
    check_classifier(lambda: make(kind), *messages)


def test_the_classifier_keeps_the_contract_with_several_labels_and_windows(make, messages):
    texts, labels = messages
    several = [
        [label, "asking"] if "where" in text or "?" in text else [label]
        for text, label in zip(texts, labels, strict=True)
    ]

    check_classifier(lambda: make(long_texts="sliding", max_length=8), texts, several)


def test_training_on_a_few_messages_gets_them_right(make, messages):
    texts, labels = messages
    assert make(num_epochs=20).fit(texts, labels).predict(texts).predictions == labels


def test_the_untrained_head_is_that_of_logistic_regression(make, messages):
    """No step of training, and still the answers are right: the head was fitted on the frozen encoder."""
    texts, labels = messages

    warm = make(num_epochs=0).fit(texts, labels)
    cold = make(num_epochs=0, warm_head=False).fit(texts, labels)

    assert warm.score(texts, labels) == 1.0
    assert cold.predict_proba(texts).max() < 0.8


def test_one_row_per_label_is_enough(make):
    classifier = make().fit(["my parcel", "my bill", "good cat"], ["delivery", "billing", "praise"])

    assert classifier.predict(["the parcel", "the bill", "a cat"]).predictions == ["delivery", "billing", "praise"]


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_label_without_rows_keeps_a_small_probability(make, messages, multi_label):
    texts, labels = messages
    gold = [[label] for label in labels] if multi_label else labels
    classifier = make(labels=["praise", "billing", "delivery"], multi_label=multi_label).fit(texts, gold)

    probabilities = classifier.predict_proba(texts)

    assert np.isfinite(probabilities).all()
    assert probabilities[:, 0].max() < 0.25


def test_described_labels_are_learned_from_their_cards_too(make, messages):
    """A label that no row has is still recognised by what its description says."""
    texts, labels = messages
    schema = {"pets": "cat, dog and bird", "billing": "bill, money, refund", "delivery": "parcel late or lost"}

    with_cards, without = (
        make(labels=schema, label_cards=on, num_epochs=10).fit(texts, labels).predict_proba(["a dog and a bird"])
        for on in (True, False)
    )

    assert with_cards[0].argmax() == 0
    assert without[0, 0] < 0.25


def test_cards_of_labels_without_descriptions_are_no_rows(make, messages):
    texts, labels = messages
    first, second = (
        make(labels=["billing", "delivery"], label_cards=on).fit(texts, labels).predict_scores(texts)
        for on in (True, False)
    )

    assert first.equals(second)


def test_heavier_rows_win_a_contradiction(make):
    texts, labels = ["my parcel", "my parcel", "a cat"], ["lost", "late", "late"]

    first = make().fit(texts, labels, sample_weight=[9, 1, 1])
    second = make().fit(texts, labels, sample_weight=[1, 9, 1])

    assert (first.predict(texts[:1])[0], second.predict(texts[:1])[0]) == ("lost", "late")


def test_balanced_class_weights_favour_the_rare_label(make, messages):
    texts, labels = messages[0][:5], messages[1][:5]

    plain = make(num_epochs=5).fit(texts, labels).predict_proba(["my money"])
    balanced = make(num_epochs=5, class_weight="balanced").fit(texts, labels).predict_proba(["my money"])

    assert balanced[0, 0] > plain[0, 0]


def test_class_weights_of_several_labels_weigh_the_rows_that_have_them(make, messages):
    texts, labels = messages
    gold = [[label] for label in labels]

    plain = make().fit(texts, gold).predict_proba(texts)
    weighted = make(class_weight={"delivery": 8}).fit(texts, gold).predict_proba(texts)

    assert weighted[:, 1].mean() > plain[:, 1].mean() + 0.05
    assert abs(weighted[:, 0].mean() - plain[:, 0].mean()) < 0.04


def test_a_class_weight_of_an_unknown_label_suggests_the_nearest(make, messages):
    with pytest.raises(ConfigError, match="did you mean 'billing'"):
        make(class_weight={"biling": 2.0}).fit(*messages)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"lora": 0}, "lora must be at least 1, got 0"),
        ({"lora": 4, "train_embeddings": True}, "train_embeddings=True trains weights that lora leaves alone"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
        ({"class_weight": "equal"}, "class_weight must be None"),
        ({"early_stopping": True, "validation_fraction": 1.5}, "validation_fraction must lie between"),
        ({"long_texts": "middle"}, "unknown long_texts 'middle'"),
    ],
)
def test_options_out_of_range_are_named(make, messages, options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options).fit(*messages)


def test_early_stopping_keeps_what_did_best_on_rows_held_back(make, messages):
    texts, labels = messages
    texts = [f"{text} {word}" for text in texts for word in ("a", "the", "very")]
    options = {"early_stopping": True, "validation_fraction": 0.25, "patience": 1, "num_epochs": 8}

    ruined = make(**options, learning_rate=10.0, head_learning_rate=10.0).fit(texts, np.repeat(labels, 3))

    assert len(ruined.validation_losses_) < 8
    assert ruined.score(texts, np.repeat(labels, 3)) > 0.8


def test_rows_held_back_are_news_to_every_part_of_the_classifier(make):
    """With random labels, who does better than chance on them has seen them: so did the head that is fitted first."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 6)) for _ in range(80)]
    options = {"early_stopping": True, "validation_fraction": 0.25, "num_epochs": 0}

    losses = [make(**options).fit(texts, rng.permutation([0, 1] * 40)).validation_losses_[0] for _ in range(8)]

    assert np.mean(losses) > np.log(2)


def test_the_share_of_texts_that_are_cut_is_told(make, messages):
    texts, labels = messages
    texts[0] = "my parcel " * 20

    cut = make(max_length=16).fit(texts, labels)

    assert cut.truncated_share_ == 1 / 8
    assert cut.predict(texts).metadata["truncated_share"] == 1 / 8
    assert make(max_length=16, long_texts="sliding").fit(texts, labels).truncated_share_ == 0


def test_what_stands_at_the_end_decides_where_the_end_is_read(make, messages):
    texts, labels = messages
    long = "the " * 40 + "parcel parcel parcel parcel parcel parcel parcel parcel"
    classifier = make(max_length=16, long_texts="head+tail", num_epochs=10).fit(texts, labels)

    assert classifier.predict([long]).predictions == ["delivery"]


def test_the_saved_encoder_is_a_hugging_face_folder_without_pickles(make, messages, tmp_path):
    make().fit(*messages).save(tmp_path / "saved")

    encoder = transformers.AutoModel.from_pretrained(tmp_path / "saved" / "encoder")

    assert encoder.config.hidden_size == 32
    suffixes = {path.suffix for path in (tmp_path / "saved").rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".md", ".safetensors", ".txt"}
    again = TransformerClassifier(str(tmp_path / "saved" / "encoder"), num_epochs=1).fit(*messages)
    assert len(again.predict(["my parcel"])) == 1


def test_loading_needs_the_saved_folder_alone(tiny_encoder, messages, tmp_path):
    """The encoder's own folder may be gone by then."""
    copy = tmp_path / "copy"
    transformers.AutoModel.from_pretrained(tiny_encoder).save_pretrained(copy)
    transformers.AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(copy)
    classifier = TransformerClassifier(copy, num_epochs=1).fit(*messages)
    classifier.save(tmp_path / "saved")
    copy.rename(tmp_path / "gone")

    assert (
        textclassify.load(tmp_path / "saved").predict_scores(["my dog"]).equals(classifier.predict_scores(["my dog"]))
    )


def test_training_leaves_the_random_numbers_of_the_caller_alone(make, messages):
    before = torch.random.get_rng_state()

    make().fit(*messages)

    assert torch.equal(before, torch.random.get_rng_state())


def test_seeds_matter_and_repeat(make, messages):
    first, again, other = (make(random_state=seed).fit(*messages).predict_scores(messages[0]) for seed in (1, 1, 2))

    assert first.equals(again)
    assert not first.equals(other)


def test_ctrl_c_leaves_a_classifier_that_answers(make, messages):
    def impatient(task, *_):
        if task == "fine-tuning":
            raise KeyboardInterrupt

    classifier = make()
    with listening(impatient), pytest.raises(KeyboardInterrupt):
        classifier.fit(*messages)

    assert classifier.predict(messages[0][:1]).predictions == ["delivery"]


def test_classifiers_that_share_read_the_same_texts_with_the_untrained_encoder_once(make, messages):
    texts, labels = messages
    heard = []
    with sharing():
        make().fit(texts, labels)
        with listening(lambda task, *_: heard.append(task)):
            make().fit(texts[1:], labels[1:])

    assert set(heard) == {"fine-tuning"}


def test_classifiers_that_share_load_the_encoder_once_and_train_weights_of_their_own(make, messages, monkeypatch):
    """Loading is not free, and one fold's training must not leak into the next."""
    loaded = []
    load = transformer_classifier.load_encoder
    monkeypatch.setattr(transformer_classifier, "load_encoder", lambda source: loaded.append(source) or load(source))
    with sharing():
        first, second = (make(learning_rate=rate).fit(*messages) for rate in (1e-3, 1e-2))

    assert len(loaded) == 1
    weights = [next(one.network_.encoder.encoder.parameters()) for one in (first, second)]
    assert not torch.equal(*weights)


@pytest.mark.parametrize("options", [{}, {"precision": "bf16"}, {"long_texts": "sliding", "max_length": 6}])
def test_sharing_changes_no_score(make, messages, options):
    texts, labels = messages
    parts = [slice(0, 6), slice(2, 8)]
    alone = [make(**options).fit(texts[part], labels[part]).predict_scores(texts) for part in parts]
    with sharing():
        together = [make(**options).fit(texts[part], labels[part]).predict_scores(texts) for part in parts]

    assert all(one.equals(other) for one, other in zip(alone, together, strict=True))


def test_prediction_survives_running_out_of_memory(make, messages, caplog):
    classifier = make().fit(*messages)
    expected = classifier.predict_scores(messages[0])
    forward = classifier.network_.forward

    def tight(input_ids, mask):
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("no room")
        return forward(input_ids, mask)

    classifier.network_.forward = tight
    with caplog.at_level(logging.WARNING):
        found = classifier.predict_scores(messages[0])

    assert "out of memory: 8 texts at once become 4" in caplog.text
    np.testing.assert_allclose(found.values, expected.values, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"long_texts": "sliding", "max_length": 8}])
def test_scores_do_not_depend_on_the_blocks_that_texts_are_read_in(make, messages, options, monkeypatch):
    """A million rows are read in blocks; each answer is that of the text alone, at its place."""
    texts, labels = messages
    classifier = make(**options).fit(texts, labels)
    asked = [*texts, " ".join(WORDS)]
    at_once = classifier.predict_scores(asked).values
    monkeypatch.setattr(inference, "TEXTS_PER_BLOCK", 2)
    heard = []

    with listening(lambda _, *counts: heard.append(counts[:2])):
        in_blocks = classifier.predict_scores(asked).values

    np.testing.assert_allclose(in_blocks, at_once, atol=1e-5)
    assert heard == sorted(heard)
    assert heard[-1] == (9, 9)


def test_an_encoder_that_overflows_in_half_precision_answers_in_float32(make, messages, caplog):
    """A large model in fp16 answers as in float32, says so once, and stays there."""
    texts, labels = messages
    classifier = make(precision="fp32").fit(texts, labels)
    layer = classifier.network_.encoder.encoder.layer[0].intermediate.dense
    with torch.no_grad():
        layer.weight.mul_(1e6)
    exact = classifier.predict_scores(texts).values

    classifier.set_params(precision="fp16")

    np.testing.assert_array_equal(classifier.predict_scores(texts).values, exact)
    np.testing.assert_array_equal(classifier.predict_scores(texts[:2]).values, exact[:2])
    assert caplog.text.count("it computes in float32 now") == 1


def test_the_result_says_which_encoder_answered(make, messages, tiny_encoder):
    metadata = make().fit(*messages).predict(["my parcel"]).metadata

    assert metadata["encoder"]["name"] == str(tiny_encoder)


@pytest.mark.slow
def test_the_embedded_encoder_learns_sixteen_texts_by_heart():
    """If this fails, training is broken, whatever the scores on real data look like."""
    TransformerClassifier("minilm").check_learns()


@pytest.mark.slow
def test_the_embedded_encoder_understands_words_it_was_not_trained_on():
    texts = ["They won the cup.", "She scored twice.", "Parliament voted.", "The minister resigned."]
    classifier = TransformerClassifier("minilm").fit(texts, ["sports", "sports", "politics", "politics"])

    assert classifier.predict(["The striker missed.", "The senate debates the law."]).predictions == [
        "sports",
        "politics",
    ]
