"""Readings through one connection, of servers that lie, stop in the middle or hang up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from lookup import redis_value
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import open_client, port_errors
from tests.lookup.asynchronous import asynchronous, stalls, until
from tests.lookup.fakes import home
from tests.lookup.redis_tier_stage import PREFIX, tier_on
from tests.lookup.scripted_redis import array, scripted_redis


def truly(words: Sequence[bytes]) -> bytes:
    """Each key's own record."""
    keys = [name.decode().removeprefix(PREFIX) for name in words[1:]]
    return array(*(redis_value.encode(home(key, f"cell-{key}")) for key in keys))


def silently(_: Sequence[bytes]) -> bytes:
    return b""


@asynchronous
async def test_values_of_other_keys_are_counted_misses() -> None:
    def swapped(_: Sequence[bytes]) -> bytes:
        return array(redis_value.encode(home("user:2")), redis_value.encode(home("user:1")))

    async with scripted_redis(swapped) as (_, settings), tier_on(settings) as tier:
        assert await tier.read(["user:1", "user:2"]) == {}
        assert tier.wrong_values == 2


@asynchronous
async def test_values_that_are_no_texts_are_counted_misses() -> None:
    async with (
        scripted_redis(lambda _: b"*3\r\n:7\r\n*1\r\n$1\r\na\r\n$-1\r\n") as (_, settings),
        tier_on(settings) as tier,
    ):
        assert await tier.read(["user:1", "user:2", "user:3"]) == {}
        assert tier.wrong_values == 2


@asynchronous
@pytest.mark.parametrize("said", [array(b"one"), b"+OK\r\n", b":2\r\n", b"*-1\r\n", b"*0\r\n"])
async def test_an_answer_of_another_shape_is_no_answer_and_ends_the_connection(said: bytes) -> None:
    async with scripted_redis(lambda _: said) as (scripted, settings), tier_on(settings) as tier:
        with pytest.raises(StoreUnavailableError, match="something else than it was asked"):
            await tier.read(["user:1", "user:2"])
        scripted.answer = truly
        assert list(await tier.read(["user:1"])) == ["user:1"]
        assert scripted.connections == 2


@asynchronous
async def test_a_server_out_of_step_hands_nobody_anothers_answer() -> None:
    """It answers each reading with what the one before asked for."""
    before = [b"MGET", b"test:user:0"]

    def late(words: Sequence[bytes]) -> bytes:
        nonlocal before
        before, said = list(words), truly(before)
        return said

    async with scripted_redis(late) as (_, settings), tier_on(settings) as tier:
        found = await asyncio.gather(*(tier.read([f"user:{number}"]) for number in range(1, 20)))
        assert found == [{}] * 19
        assert tier.wrong_values == 19


@asynchronous
async def test_half_an_answer_fails_its_reading_when_the_server_hangs_up() -> None:
    async with scripted_redis(truly) as (scripted, settings), tier_on(settings) as tier:
        scripted.answer = lambda words: None if words[1] == b"test:user:2" else truly(words)[:40]
        readings = [asyncio.create_task(tier.read([f"user:{number}"])) for number in (1, 2)]
        for reading in readings:
            with pytest.raises(StoreUnavailableError):
                await reading
        scripted.answer = truly
        assert await tier.read(["user:1"]) == {"user:1": home("user:1", "cell-user:1")}


@asynchronous
async def test_a_server_that_hangs_up_between_answers_fails_only_those_it_did_not_answer() -> None:
    async with scripted_redis(truly) as (scripted, settings), tier_on(settings) as tier:
        await tier.read(["user:0"])
        scripted.answer = lambda words: None if words[1] == b"test:user:5" else truly(words)
        readings = [tier.read([f"user:{number}"]) for number in range(10)]
        outcomes = await asyncio.gather(*readings, return_exceptions=True)
        assert outcomes[:5] == [
            {f"user:{number}": home(f"user:{number}", f"cell-user:{number}")} for number in range(5)
        ]
        assert all(isinstance(outcome, StoreUnavailableError) for outcome in outcomes[5:])
        assert scripted.connections == 1


@asynchronous
async def test_readings_of_one_moment_share_one_connection_though_the_first_caller_leaves() -> None:
    async with scripted_redis(truly) as (scripted, settings), tier_on(settings) as tier:
        readings = [asyncio.create_task(tier.read([f"user:{number}"])) for number in range(10)]
        await asyncio.sleep(0)
        readings[0].cancel()
        assert [list(await reading) for reading in readings[1:]] == [[f"user:{n}"] for n in range(1, 10)]
        assert scripted.connections == 1


@asynchronous
async def test_who_leaves_costs_no_connection_and_shifts_no_answer() -> None:
    async with scripted_redis(truly) as (scripted, settings), tier_on(settings) as tier:
        await tier.read(["user:0"])
        for turn in range(50):
            readings = [asyncio.create_task(tier.read([f"user:{turn}-{n}"])) for n in range(6)]
            await asyncio.sleep(0)
            for reading in readings[:5]:
                reading.cancel()
            key = f"user:{turn}-5"
            assert await readings[5] == {key: home(key, f"cell-{key}")}
        assert scripted.connections == 1
        assert tier.wrong_values == 0


@pytest.mark.slow
@asynchronous
async def test_a_server_that_greets_nobody_delays_for_the_connects_time_and_is_dialled_rarely() -> None:
    async with scripted_redis(silently) as (scripted, settings):
        locked = replace(settings, password="open-sesame", connect_timeout_s=0.2)
        async with tier_on(locked) as tier:
            begun_s, longest_s = time.monotonic(), 0.0
            async with stalls() as stalled:
                while scripted.connections < 4:
                    asked_s = time.monotonic()
                    with pytest.raises(StoreUnavailableError, match="greet"):
                        await tier.read(["user:1"])
                    longest_s = max(longest_s, time.monotonic() - asked_s)
                    await asyncio.sleep(0.002)
            assert time.monotonic() - begun_s > 0.9, "four times the connect's, and three pauses that grow"
        assert longest_s < 1.0 + stalled.seconds


@asynchronous
async def test_a_refused_password_is_told_with_the_mend_and_nothing_is_read() -> None:
    refusing = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    async with scripted_redis(lambda _: refusing) as (scripted, settings):
        async with tier_on(replace(settings, username="edge", password="open-sesame")) as tier:
            with pytest.raises(StoreUnavailableError, match="password_file") as refusal:
                await tier.read(["user:1"])
        assert "open-sesame" not in str(refusal.value)
        assert scripted.asked == [[b"AUTH", b"edge", b"open-sesame"]]


@asynchronous
async def test_a_server_that_asks_for_a_password_is_told_with_the_mend() -> None:
    async with scripted_redis(truly) as (scripted, settings), tier_on(settings) as tier:
        scripted.pong = b"-NOAUTH Authentication required.\r\n"
        with pytest.raises(StoreUnavailableError, match="password_file"):
            await tier.read(["user:1"])


@asynchronous
async def test_another_client_of_it_is_told_the_same() -> None:
    async with scripted_redis(lambda _: b"-NOAUTH HELLO must be called\r\n") as (_, settings):
        client = open_client(settings)
        with pytest.raises(StoreUnavailableError, match="password_file"), port_errors():
            await client.execute_command("PING")
        await client.aclose()


@asynchronous
async def test_an_answer_that_came_while_the_loop_was_held_up_is_not_late() -> None:
    async with (
        scripted_redis(truly) as (scripted, settings),
        tier_on(replace(settings, reply_timeout_s=0.05)) as tier,
    ):
        await tier.read(["user:0"])
        reading = asyncio.create_task(tier.read(["user:1"]))
        await until(lambda: len(scripted.asked) == 3)
        time.sleep(0.2)  # noqa: ASYNC251 - it is the loop that is held up
        assert list(await reading) == ["user:1"]


@asynchronous
async def test_a_large_reading_is_cut_and_put_together_again() -> None:
    async with scripted_redis(truly) as (scripted, settings), tier_on(settings) as tier:
        keys = [f"user:{number}" for number in range(10_000)]
        assert list(await tier.read(keys)) == keys
        assert [len(words) - 1 for words in scripted.asked if words[0] == b"MGET"] == [4096, 4096, 1808]
