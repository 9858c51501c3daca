"""Tables as programs save them: told by their header, refused or reported by line."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radsmith.errors import InvalidInput
from radsmith.tables import SEPARATORS, read_table

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32")


def cells_of(data, *wanted):
    return [dict(row.cells) for row in read_table(data, "list.csv", wanted or ("file",)).rows]


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_whatever_separates_cells_and_lines_is_told_by_the_header(separator, encoding, end):
    rows = [["File", "größe", "note"], ["a/1.png", "3,5", "x"], ["b/1.png", "", "y; z"]]
    if separator in ",;|":  # what is in a cell is quoted there
        rows = [[f'"{c}"' if separator in c else c for c in row] for row in rows]
    text = end.join(separator.join(row) for row in rows) + end
    found = cells_of(text.encode(encoding))
    assert found[0] == {"File": "a/1.png", "größe": "3,5", "note": "x"}
    assert found[1] == {"File": "b/1.png", "größe": "", "note": "y; z"}


def test_a_line_that_names_the_separator_is_heeded():
    table = read_table(b"sep=;\r\nfile;a,b\r\nx.png;1,5\r\n", "list.csv", ("file",))
    assert table.columns == ("file", "a,b")
    assert table.rows[0].line == 3 and table.rows[0].cells["a,b"] == "1,5"


texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)


@given(st.lists(st.tuples(texts, texts), max_size=8), st.sampled_from(SEPARATORS))
def test_what_is_written_is_read_with_the_line_where_it_begins(rows, separator):
    stream, lines, at = io.StringIO(newline=""), [], 2
    writer = csv.writer(stream, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerow(["file", "more"])
    for row in rows:
        lines.append(at)
        at += 1 + sum(len(c.replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1 for c in row)
        writer.writerow(row)
    table = read_table(stream.getvalue().encode(), "list.csv", ("file",))
    assert [tuple(row.cells.values()) for row in table.rows] == [
        (a.strip(), b.strip()) for a, b in rows
    ]
    assert [row.line for row in table.rows] == lines


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"file,a\nx.png,1,2\n", 2, "3 cells, the header has 2"),
        (b"file,a\nx.png,1\n\n\ny.png,1,2\n", 5, "3 cells"),
        (b'file,a\n"two\nlines",1\ny.png,1,2\n', 4, "3 cells"),
        (b'file,a\nx.png,1\n"y.png,2\nz.png,3\n', 3, "never closed"),
        (b'file,a\n"x.png"s,1\n', 2, "closing quote"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_by_its_line(data, line, words):
    broken = [row for row in read_table(data, "list.csv", ("file",)).rows if row.error]
    assert [row.line for row in broken] == [line] and words in broken[0].error


def test_missing_cells_and_columns_without_a_name_are_told():
    table = read_table(b",file,a\n0,x.png\n1,y.png,2\n", "list.csv", ("file",))
    assert table.unnamed == (1,) and [row.short for row in table.rows] == [1, 0]
    assert read_table(b"file,a,\nx.png,1,\n", "list.csv", ("file",)).unnamed == ()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"name,a\n1,2\n", "line 1: a header with the column 'file'"),
        (b"\n\nname;a\n1;2\n", "line 3: a header with the column 'file'"),
        (b"file,a,File\n1,2,3\n", "line 1: the column 'file' is there twice"),
        ("file\nx\nMüller.png\n".encode("latin-1"), "line 3 is no UTF-8 text"),
        ("file,a\nx,y\n".encode("utf-16-le"), "zero bytes"),
        (b"PK\x03\x04rest", "a spreadsheet"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"\xff\xfex", "UTF-16"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(data, words):
    with pytest.raises(InvalidInput) as refused:
        read_table(data, "list.csv", ("file",))
    said = str(refused.value)
    assert words in said and "list.csv" in said and "\n" not in said
