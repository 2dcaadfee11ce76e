"""The form of a secret: a mark, randomness and a checksum."""

import re
import zlib

import pytest

from portal import keys


def checksum(drawn: str) -> str:
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number = zlib.crc32(drawn.encode())
    digits = [alphabet[number // 62**place % 62] for place in range(5, -1, -1)]
    return "".join(digits)


def test_a_secret_is_a_mark_and_38_letters_and_digits():
    secret = keys.make_secret()

    assert re.fullmatch(r"mp_[0-9A-Za-z]{38}", secret)
    assert keys.has_valid_form(secret)


def test_a_secret_ends_with_the_crc_32_of_its_random_part_in_base62():
    secret = keys.make_secret()

    assert secret[35:] == checksum(secret[3:35])


def test_a_small_checksum_is_padded_with_zeros():
    # 1 in 62 draws has a checksum that needs fewer than six digits.
    drawn = next(
        f"{number:032d}"
        for number in range(10_000)
        if checksum(f"{number:032d}")[0] == "0"
    )

    assert keys.has_valid_form(f"mp_{drawn}{checksum(drawn)}")


def test_no_two_secrets_are_the_same():
    drawn = {keys.make_secret() for _ in range(1000)}

    assert len(drawn) == 1000


def test_a_secret_with_one_character_changed_is_known_at_once():
    secret = keys.make_secret()

    for place in range(3, len(secret)):
        other = "A" if secret[place] != "A" else "B"
        assert not keys.has_valid_form(secret[:place] + other + secret[place + 1 :])


@pytest.mark.parametrize(
    "change",
    [
        lambda secret: "",
        lambda secret: secret.upper(),
        lambda secret: secret[:-1],
        lambda secret: f"{secret}0",
        lambda secret: f"{secret}\n",
        lambda secret: f" {secret}",
        lambda secret: secret.replace("mp_", "mk_"),
        lambda secret: f"mp_{'٣' * 32}{secret[35:]}",
        lambda secret: "mp_" + "0" * 10_000,
        lambda secret: f"mp_{'0' * 31}\x00{secret[35:]}",
    ],
)
def test_what_is_not_written_like_a_secret_is_none(change):
    secret = keys.make_secret()

    assert not keys.has_valid_form(change(secret))
