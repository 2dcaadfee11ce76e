"""The machine-readable zone, from lines of text alone.

The specimens are those of ICAO Doc 9303, parts 4 to 7.
"""

from datetime import date

import pytest

from portal.runtime.mrz import find_zone, read_fields
from portal.runtime.mrz.check_digits import check_digit

TODAY = date(2026, 3, 14)
NAMES = (
    "format",
    "document_type",
    "issuer",
    "surname",
    "given_names",
    "document_number",
    "nationality",
    "birth_date",
    "sex",
    "expiry_date",
    "personal_number",
    "composite",
)
TD1 = (
    "I<UTOD231458907<<<<<<<<<<<<<<<",
    "7408122F1204159UTO<<<<<<<<<<<6",
    "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
)
LONG = (
    "I<UTOD23145890<7349<<<<<<<<<<<",
    "3407127M9507122UTO<<<<<<<<<<<2",
    "STEVENSON<<PETER<JOHN<<<<<<<<<",
)
TD2 = (
    "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<",
    "D231458907UTO7408122F1204159<<<<<<<6",
)
TD3 = (
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
)
MRV_A = (
    "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L8988901C4XXX4009078F96121096ZE184226B<<<<<<",
)
MRV_B = (
    "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<",
    "L8988901C4XXX4009078F9612109<<<<<<<<",
)
ALL = {"TD1": TD1, "long": LONG, "TD2": TD2, "TD3": TD3, "MRV-A": MRV_A, "MRV-B": MRV_B}


def lines(*texts, left=50, top=600, height=30):
    """Return lines of text below each other, as wide as their characters."""
    found = []
    for number, text in enumerate(texts):
        right, up = left + 20 * len(text), top + 50 * number
        down = up + height
        corners = [[left, up], [right, up], [right, down], [left, down]]
        found.append({"text": text, "score": 0.9, "polygon": corners})
    return found


def read(*texts):
    """Return the corrected lines, and the fields by name."""
    found = find_zone(lines(*texts), today=TODAY)
    assert found, "there is no zone"
    return found.zone.lines, read_fields(found.zone, today=TODAY)


def values(*texts):
    return {name: field["value"] for name, field in read(*texts)[1].items()}


def verdicts(*texts):
    return {name: field["valid"] for name, field in read(*texts)[1].items()}


def with_checks(line, *spans):
    """Return a second line of two with its check digits computed anew."""
    for start, stop in spans:
        line = line[:stop] + check_digit(line[start:stop]) + line[stop + 1 :]
    return line


# Check digits


@pytest.mark.parametrize(
    ("text", "digit"),
    [
        ("520727", "3"),
        ("AB2134<<<", "5"),
        ("L898902C3", "6"),
        ("D23145890734", "9"),
        ("<<<<<<", "0"),
        ("HA672242<658022549601086<<<<<<<", "8"),
    ],
)
def test_a_check_digit_is_computed_with_the_weights_7_3_1(text, digit):
    assert check_digit(text) == digit


# The specimens


@pytest.mark.parametrize(
    ("specimen", "expected"),
    [
        ("TD1", ["TD1", "I", "UTO", "ERIKSSON", "ANNA MARIA", "D23145890", "UTO"]),
        ("TD2", ["TD2", "I", "UTO", "ERIKSSON", "ANNA MARIA", "D23145890", "UTO"]),
        ("TD3", ["TD3", "P", "UTO", "ERIKSSON", "ANNA MARIA", "L898902C3", "UTO"]),
        ("MRV-A", ["MRV-A", "V", "UTO", "ERIKSSON", "ANNA MARIA", "L8988901C", "XXX"]),
        ("MRV-B", ["MRV-B", "V", "UTO", "ERIKSSON", "ANNA MARIA", "L8988901C", "XXX"]),
        ("long", ["TD1", "I", "UTO", "STEVENSON", "PETER JOHN", "D23145890734", "UTO"]),
    ],
)
def test_a_specimen_tells_who_it_belongs_to(specimen, expected):
    found = values(*ALL[specimen])

    assert tuple(found) == NAMES
    assert list(found.values())[:7] == expected


@pytest.mark.parametrize(
    ("specimen", "expected"),
    [
        ("TD1", ["1974-08-12", "F", "2012-04-15", None, "6"]),
        ("TD2", ["1974-08-12", "F", "2012-04-15", None, "6"]),
        ("TD3", ["1974-08-12", "F", "2012-04-15", "ZE184226B", "0"]),
        ("MRV-A", ["1940-09-07", "F", "1996-12-10", "6ZE184226B", None]),
        ("MRV-B", ["1940-09-07", "F", "1996-12-10", None, None]),
        ("long", ["1934-07-12", "M", "1995-07-12", None, "2"]),
    ],
)
def test_a_specimen_tells_dates_and_numbers(specimen, expected):
    assert list(values(*ALL[specimen]).values())[7:] == expected


@pytest.mark.parametrize("specimen", ALL)
def test_the_check_digits_of_a_specimen_are_right_where_it_has_them(specimen):
    checked = {"document_number", "birth_date", "expiry_date"}
    if specimen == "TD3":
        checked |= {"personal_number"}
    if not specimen.startswith("MRV"):
        checked |= {"composite"}

    found = verdicts(*ALL[specimen])

    assert found == {name: True if name in checked else None for name in NAMES}


@pytest.mark.parametrize("specimen", ALL)
def test_the_lines_of_a_specimen_stay_as_they_are(specimen):
    corrected, _ = read(*ALL[specimen])

    assert corrected == ALL[specimen]


def test_every_field_has_a_title_for_people():
    _, fields = read(*TD3)

    assert fields["birth_date"]["title"] == "Date of birth"
    assert fields["personal_number"]["title"] == "Personal number"
    assert read(*TD1)[1]["personal_number"]["title"] == "Optional data"
    assert all(field["title"] for field in fields.values())


# What a reader gets wrong


@pytest.mark.parametrize(
    ("specimen", "misread"),
    [
        ("TD3", [TD3[0].replace("O", "0"), TD3[1].replace("O", "0")]),
        ("TD3", [TD3[0].replace("I", "1").replace("S", "5"), TD3[1]]),
        ("TD3", [TD3[0], TD3[1].replace("F12", "FI2").replace("7408", "74O8")]),
        ("TD3", [TD3[0], TD3[1].replace("0812", "OBIZ")]),
        ("TD3", [TD3[0], TD3[1].replace("L898902", "L8989O2")]),
        ("TD3", [TD3[0], TD3[1].replace("L898902", "L89B902")]),
        ("TD3", [TD3[0], TD3[1].replace("ZE184226B", "ZEI84226B")]),
        ("TD3", [TD3[0][:34] + "K<<<KC<<<K", TD3[1]]),
        ("TD1", [TD1[0], TD1[1].replace("O", "0"), TD1[2].replace("I", "1")]),
        ("TD1", [TD1[0].replace("D23145890", "D23I4589O"), *TD1[1:]]),
        ("long", [LONG[0].replace("D23145890", "D2314589O"), *LONG[1:]]),
        ("TD2", [TD2[0].replace("UTO", "UT0"), TD2[1].replace("O", "0")]),
        ("MRV-A", [MRV_A[0].replace("O", "0"), MRV_A[1].replace("L8988", "L898B")]),
        ("MRV-B", [MRV_B[0].lower(), MRV_B[1].lower()]),
    ],
)
def test_letters_and_digits_are_told_apart_by_their_place_and_the_digits(
    specimen, misread
):
    corrected, _ = read(*misread)

    assert corrected == ALL[specimen]


def test_an_o_in_a_number_is_found_by_its_check_digit():
    second = with_checks("AO12345679UTO7408122F1204159", (0, 9)).ljust(44, "<")

    found = read(TD3[0], second.replace("AO", "A0"))[1]["document_number"]

    assert (found["value"], found["valid"]) == ("AO1234567", True)


@pytest.mark.parametrize(
    ("name", "misread"),
    [
        ("document_number", TD3[1].replace("L898902", "L893902")),
        ("birth_date", TD3[1].replace("740812", "740813")),
        ("expiry_date", TD3[1].replace("120415", "120416")),
        ("personal_number", TD3[1].replace("ZE184", "ZE134")),
    ],
)
def test_a_digit_taken_for_another_is_told_and_not_guessed(name, misread):
    found = verdicts(TD3[0], misread)

    assert found[name] is False
    assert found["composite"] is False
    assert list(found.values()).count(False) == 2


def test_where_a_swap_is_unlikely_the_number_stays_as_it_was_read():
    found = read(TD3[0], TD3[1].replace("ZE184226B", "ZE1842268"))[1]

    assert found["personal_number"]["value"] == "ZE1842268"
    assert found["personal_number"]["valid"] is False


def test_a_number_is_corrected_though_a_date_stays_wrong():
    misread = TD3[1].replace("L898902", "L8989O2").replace("740812", "740813")

    found = verdicts(TD3[0], misread)

    assert found["document_number"] is True
    assert found["birth_date"] is False


@pytest.mark.parametrize(
    ("specimen", "misread"),
    [
        ("TD3", [TD3[0][:-9], TD3[1]]),
        ("TD3", [TD3[0][:25], TD3[1].replace("<<<<<", "<<<")]),
        ("TD3", [TD3[0].replace("P<", "P"), TD3[1]]),
        ("TD3", [TD3[0].replace("P<", "P")[:-4], TD3[1]]),
        ("TD3", [TD3[0] + "<<", TD3[1].replace("<<<<<", "<<<<<<")]),
        ("TD3", [TD3[0].replace("<<", "« "), TD3[1].replace("<<", " «")]),
        ("TD3", ["P<UTO ERIKSSON << ANNA < MARIA <<<<<<<<<<<<<<<<<<<", TD3[1]]),
        ("TD1", [TD1[0][:15], TD1[1].replace("<<<<", "<"), TD1[2][:20]]),
        ("TD1", [TD1[0], TD1[1], TD1[2] + "<<<"]),
        ("TD2", [TD2[0][:-6], TD2[1].replace("<<<<<<<", "<<<<")]),
        ("MRV-A", [MRV_A[0][:-3], MRV_A[1][:-3]]),
    ],
)
def test_lost_and_added_fillers_are_put_right(specimen, misread):
    corrected, _ = read(*misread)

    assert corrected == ALL[specimen]


def test_a_line_that_was_cut_off_gives_what_is_left():
    found = read(TD3[0], TD3[1][:37])[1]

    assert found["document_number"]["value"] == "L898902C3"
    assert found["birth_date"]["valid"] is True
    assert found["composite"]["value"] is None
    assert found["composite"]["valid"] is False


# Names, sex and dates


@pytest.mark.parametrize(
    ("names", "surname", "given_names"),
    [
        ("VAN<DER<MUELLEN<<ANNA", "VAN DER MUELLEN", "ANNA"),
        ("ARKFREITH<<", "ARKFREITH", None),
        ("SMITH<JONES<<SUSIE<MARGARET", "SMITH JONES", "SUSIE MARGARET"),
        ("BENNELONG<WOOLOOMOOLOO<WARRANDYTE<W<<D", "BENNELONG WOOLOOMOOLOO", "D"),
    ],
)
def test_names_part_at_two_fillers(names, surname, given_names):
    found = values(f"P<UTO{names}".ljust(44, "<"), TD3[1])

    assert found["surname"].startswith(surname)
    assert found["given_names"] == given_names


@pytest.mark.parametrize(("letter", "sex"), [("M", "M"), ("F", "F"), ("<", "X")])
def test_a_sex_that_is_not_said_is_x(letter, sex):
    assert values(TD3[0], TD3[1].replace("F", letter))["sex"] == sex


@pytest.mark.parametrize(
    ("birth", "expiry", "expected"),
    [
        ("260314", "350101", ("2026-03-14", "2035-01-01")),
        ("260315", "350101", ("1926-03-15", "2035-01-01")),
        ("000229", "300228", ("2000-02-29", "2030-02-28")),
        ("200101", "950101", ("1920-01-01", "1995-01-01")),
        ("740812", "760101", ("1974-08-12", "2076-01-01")),
        ("740812", "991231", ("1974-08-12", "1999-12-31")),
        ("741312", "120431", (None, None)),
        ("74<<<<", "<<<<<<", (None, None)),
    ],
)
def test_the_century_is_the_one_that_makes_sense(birth, expiry, expected):
    line = f"L898902C36UTO{birth}_F{expiry}_ZE184226B<<<<<1".ljust(44, "0")
    line = with_checks(line, (13, 19), (21, 27))

    found = values(TD3[0], line)

    assert (found["birth_date"], found["expiry_date"]) == expected


def test_a_personal_number_that_is_not_there_needs_no_check_digit():
    line = TD3[1][:28] + "<" * 15 + "0"

    found = read(TD3[0], line)[1]["personal_number"]

    assert (found["value"], found["valid"]) == (None, None)


# Where the zone is


@pytest.mark.parametrize("specimen", ALL)
def test_the_zone_is_found_among_other_lines(specimen):
    texts = ["UTOPIA", "PASSPORT", "Surname", "ERIKSSON", *ALL[specimen], "Page 2"]

    corrected, _ = read(*texts)

    assert corrected == ALL[specimen]


@pytest.mark.parametrize("others", [spec for spec in ALL if ALL[spec] != TD3])
@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_documents_one_is_read_whole(others, is_first):
    documents = [TD3, ALL[others]] if is_first else [ALL[others], TD3]

    found = find_zone(lines(*documents[0], *documents[1]), today=TODAY)

    assert found.zone.lines in documents
    assert [row.text for row in found.rows] == list(found.zone.lines)


def test_the_lines_keep_their_scores_and_corners():
    given = lines("PASSPORT", *TD3)

    found = find_zone(given, today=TODAY)

    assert [row.as_line(row.text) for row in found.rows] == given[1:]


def test_a_zone_on_its_head_is_read_from_below():
    given = [
        {**line, "text": text}
        for line, text in zip(lines(*TD3), reversed(TD3), strict=True)
    ]

    assert find_zone(given, today=TODAY).zone.lines == TD3


def test_the_pieces_of_a_row_are_joined():
    _, second = lines(*TD3)
    (left,) = lines(TD3[0][:25])
    (right,) = lines(TD3[0][25:], left=570, top=602)

    found = find_zone([right, left, second], today=TODAY)

    assert found.zone.lines == TD3
    assert found.rows[0].polygon == [[50, 600], [950, 602], [950, 632], [50, 630]]


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["HARBOUR BAKERY", "12 Quay Street, Westhaven", "14 March 2026"],
        [TD3[0]],
        [TD3[1]],
        [TD3[0], TD3[1][:20]],
        [TD1[0], TD1[1]],
        ["1" * 44, "2" * 44],
        ["<" * 44, "<" * 44],
        ["<" * 30] * 3,
        ["A" * 44, "B" * 44],
        [
            "IF<A<<B<THEN<RETURN<THE<LEAST<OF<ALL",
            "WHILE<C<<D<DO<SOMETHING<ELSE<HERE<NOW",
        ],
        ["The harbour master kept two clocks. One told the time,"] * 9,
        ["ß" * 44, "日" * 44],
    ],
)
def test_what_is_no_zone_gives_none(texts):
    assert find_zone(lines(*texts), today=TODAY) is None


def test_lines_far_from_each_other_are_no_zone():
    first, second = lines(*TD3)
    far = [[x, y + 400] for x, y in second["polygon"]]

    assert find_zone([first, {**second, "polygon": far}], today=TODAY) is None


@pytest.mark.timeout(20)
def test_a_page_full_of_fillers_is_answered_in_time():
    texts = [f"A<B{number:02d}<C<<D<E<<<O0I1<<S5<Z2" for number in range(80)]

    assert find_zone(lines(*texts), today=TODAY) is None
