"""Label files: what is written is what is read, in every format."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.label_files import write_label_file
from textclassify.core.labels import LabelSchema
from textclassify.errors import LabelError

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map(str.strip).filter(bool)
several = st.lists(texts, min_size=1, max_size=3)


def of(tmp_path, content, name="labels.csv"):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return LabelSchema.of(path)


def test_a_table_has_a_row_per_label(tmp_path):
    """What people keep in a spreadsheet."""
    schema = of(
        tmp_path,
        "Label,description,includes,excludes,examples,parent,code\n"
        'late,"Not there, yet.",delays | lost,damage,Where is it?; Still waiting,delivery,007\n'
        "delivery,,,,,,\n",
    )

    assert schema.names == ("late", "delivery")
    assert schema.card_in_full("late") == "late: Not there, yet. Includes: delays; lost. Not: damage."
    assert schema.examples == {"late": ("Where is it?", "Still waiting")}
    assert (schema.parents, schema.codes) == ({"late": "delivery"}, {"late": "007"})


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        ("one", ["one"]),
        ("a;b", ["a", "b"]),
        ("a; b | c", ["a; b", "c"]),
        ("I paid; nothing came |", ["I paid; nothing came"]),
        ('["a; b | c", "[d]"]', ["a; b | c", "[d]"]),
        ("[urgent] help", ["[urgent] help"]),
        ("", None),
    ],
)
def test_a_cell_holds_several_values(tmp_path, cell, values):
    """A text may hold what separates others, too."""
    quoted = cell.replace('"', '""')

    assert of(tmp_path, f'name,examples\na,"{quoted}"\n').examples == ({"a": tuple(values)} if values else {})


def test_a_column_that_is_repeated_holds_one_value_per_cell(tmp_path):
    """Nothing in it separates."""
    schema = of(tmp_path, "name,examples,examples\na,one; two,three | four\nb,,x\n")

    assert schema.examples == {"a": ("one; two", "three | four"), "b": ("x",)}


@pytest.mark.parametrize(("name", "lines"), [("l.csv", "sep=;\nname;code\na;1\n"), ("l.tsv", "name\tcode\na\t1\n")])
def test_spreadsheets_write_semicolons_and_tabs_as_well(tmp_path, name, lines):
    assert of(tmp_path, lines, name).codes == {"a": "1"}


def test_in_a_table_null_and_na_are_names(tmp_path):
    """A table has no other nothing than an empty cell."""
    schema = of(tmp_path, "name,description\nnull,None\nNA,n/a\nyes,no\nnone,\n,\n")

    assert schema.names == ("null", "NA", "yes", "none")
    assert schema.descriptions == {"null": "None", "NA": "n/a", "yes": "no"}


@pytest.mark.parametrize(
    ("cells", "names"), [(["1", "2"], (1, 2)), (["01", "2"], ("01", "2")), (["True", "False"], (True, False))]
)
def test_names_in_a_table_have_the_type_of_the_labels_in_one(tmp_path, cells, names):
    """A CSV file of texts with the labels 1 and 2 has numbers."""
    schema = of(tmp_path, f"name,parent,code\n{cells[0]},,5\n{cells[1]},{cells[0]},6\n")

    assert (schema.names, schema.parents) == (names, {names[1]: names[0]})
    assert [type(name) for name in schema.names] == [type(name) for name in names]
    assert list(schema.codes.values()) == ["5", "6"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "name,descripton\na,b\n",
            "unknown column 'descripton'; did you mean 'description'.*; known: name, label, .*code",
        ),
        ("name,code,code\na,1,2\n", "the column 'code' is given 2 times"),
        ("name,label\na,b\n", "'name' is given 2 times"),
        ("description\nb\n", "there is no column 'name'"),
        ("name,code\na,1,2\n", "line 2 has 3 cells where the header has 2; quote cells that hold ','"),
        ("name,code\n,1\n", "line 2 has no name"),
        ("name\na\na\n", "label 'a' is listed 2 times"),
        ("name\n", "is empty"),
        ("", "is empty"),
        ('name\n"a\n', "cannot be read: .*see that every quotation mark is closed"),
        ("name|code\na|1\n", "its header 'name.code' is one column; put commas between columns"),
    ],
)
def test_a_table_that_cannot_be_meant_says_where(tmp_path, content, message):
    with pytest.raises(LabelError, match=message):
        of(tmp_path, content)


def test_a_table_in_another_encoding_names_the_remedy(tmp_path):
    """Spreadsheets of old."""
    (tmp_path / "l.csv").write_bytes("name\nGebühr\n".encode("latin-1"))

    with pytest.raises(LabelError, match="byte 8 is not UTF-8; save the file as UTF-8"):
        LabelSchema.of(tmp_path / "l.csv")


def test_json_lines_have_an_object_or_a_name_per_line(tmp_path):
    schema = of(tmp_path, '{"label": "a", "includes": ["x"], "code": "1"}\n\n"null"\n', "labels.jsonl")

    assert schema == LabelSchema(("a", "null"), includes={"a": ("x",)}, codes={"a": "1"})
    with pytest.raises(LabelError, match="line 2: no valid JSON"):
        of(tmp_path, '"a"\n{"name"\n', "labels.jsonl")


@pytest.mark.parametrize("bare", ["null", "~", ""])
def test_a_name_that_yaml_reads_as_nothing_is_to_be_quoted(tmp_path, bare):
    """A bare null is no text; quoted, it is a label like others."""
    with pytest.raises(LabelError, match=r"the name of label 2 is missing .* quote it"):
        of(tmp_path, f"labels:\n- a\n- {bare}\n", "labels.yaml")
    assert of(tmp_path, "labels: [a, 'null', NaN, none]\n", "labels.yaml").names == ("a", "null", "NaN", "none")


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("{name: 2024-01-01}", r"is 2024-01-01 \(date\).*quote it to make it text: '2024-01-01'"),
        ("{name: a, code: 0012}", "quote it to keep it: '0012'"),
        ("{name: a, code: 1.10}", r"code of label 'a' is 1.1 \(float\).*in quotes"),
    ],
)
def test_what_yaml_would_change_is_to_be_quoted(tmp_path, card, message):
    """A code that loses its zeros is another code."""
    with pytest.raises(LabelError, match=message):
        of(tmp_path, f"labels:\n- {card}\n", "labels.yaml")


@pytest.mark.parametrize("suffix", [".yaml", ".json", ".csv", ".tsv", ".jsonl"])
@given(names=st.lists(texts, min_size=1, max_size=3, unique=True), phrases=several, examples=several, text=texts)
def test_what_is_written_reads_back_equal(tmp_path_factory, suffix, names, phrases, examples, text):
    """Whatever separates, quotes or comments in a format is a character like others in a text."""
    one = names[0]
    schema = LabelSchema.of([{"name": one, "description": text, "includes": phrases, "examples": examples}, *names[1:]])
    path = tmp_path_factory.mktemp("labels") / f"labels{suffix}"
    write_label_file(schema, path, comments={one: "drafted\nby nobody"})

    read = LabelSchema.of(path)

    assert [str(name) for name in read.names] == list(schema.names)
    if read.names == schema.names:
        assert read == schema


def test_a_comment_stands_above_its_description(tmp_path):
    """A person who edits the file sees what to look at."""
    schema = LabelSchema(("a", "b"), {"a": "A.", "b": "B."}, multi_label=True)
    write_label_file(schema, tmp_path / "l.yaml", comments={"b": "drafted by x"})

    written = (tmp_path / "l.yaml").read_text(encoding="utf-8")

    assert "- name: b\n  # drafted by x\n  description: B.\n" in written
    assert written.count("#") == 1
    assert LabelSchema.of(tmp_path / "l.yaml") == schema
    assert list(tmp_path.iterdir()) == [tmp_path / "l.yaml"]


def test_a_file_name_that_tells_no_format_is_refused(tmp_path):
    with pytest.raises(LabelError, match=r"cannot tell the format of .*labels.txt.*\.yaml"):
        write_label_file(LabelSchema(("a",)), tmp_path / "labels.txt")


def test_commas_in_a_file_of_tabs_are_named(tmp_path):
    """Else all of its header would be one unknown column."""
    with pytest.raises(LabelError, match="'name,code' is one column; put tabs between columns"):
        of(tmp_path, "name,code\na,1\n", "labels.tsv")


def test_a_folder_is_no_label_file(tmp_path):
    with pytest.raises(LabelError, match="is a folder; name a YAML, JSON or CSV file in it"):
        LabelSchema.of(tmp_path)
