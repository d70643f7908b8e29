"""Why an HTTP request got no answer, in plain words."""

from __future__ import annotations

import aiohttp

from bench.servers.ports import free_port
from lookup.web_errors import in_words
from tests.lookup.asynchronous import asynchronous


async def failure(url: str) -> aiohttp.ClientError:
    try:
        async with aiohttp.ClientSession() as session, session.get(url):
            raise AssertionError(f"{url} answered")
    except aiohttp.ClientError as error:
        return error


@asynchronous
async def test_a_port_where_nobody_listens_is_told_without_a_word_of_tls() -> None:
    port = free_port()
    text = in_words(await failure(f"http://127.0.0.1:{port}/"))
    assert text == f"cannot connect to 127.0.0.1:{port}: Connection refused"


@asynchronous
async def test_a_name_without_an_address_is_told_as_such() -> None:
    text = in_words(await failure("http://nowhere.invalid:80/"))
    assert text.startswith("cannot connect to nowhere.invalid:80: ")
    assert "ssl" not in text


@asynchronous
async def test_an_address_without_http_is_told_as_such() -> None:
    assert in_words(await failure("127.0.0.1:8090/v1")) == "the URL must begin with http:// or https://"


def test_an_error_without_words_is_told_by_its_name() -> None:
    assert in_words(TimeoutError()) == "TimeoutError"
    assert in_words(ValueError("not this")) == "not this"
