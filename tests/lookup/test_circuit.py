from __future__ import annotations

from lookup.circuit import Circuit, CircuitState


def opened(at_s: float = 0.0) -> Circuit:
    circuit = Circuit(failures_to_open=3, open_s=1.0)
    for _ in range(3):
        assert circuit.permits(at_s)
        circuit.failed(at_s)
    return circuit


def test_it_opens_after_failures_in_a_row() -> None:
    assert opened().state is CircuitState.OPEN
    assert not opened().permits(0.9)


def test_an_answer_in_between_starts_the_count_anew() -> None:
    circuit = Circuit(failures_to_open=2, open_s=1.0)
    for _ in range(5):
        circuit.failed(0.0)
        assert circuit.state is CircuitState.CLOSED
        circuit.succeeded()


def test_after_its_time_one_question_is_let_through() -> None:
    circuit = opened()
    assert circuit.permits(1.0)
    assert not circuit.permits(1.0)


def test_a_probe_that_is_answered_closes_it() -> None:
    circuit = opened()
    circuit.permits(1.0)
    circuit.succeeded()
    assert circuit.permits(1.0)
    assert circuit.permits(1.0)


def test_a_probe_that_fails_opens_it_for_as_long_again() -> None:
    circuit = opened()
    circuit.permits(1.0)
    circuit.failed(1.0)
    assert not circuit.permits(1.9)
    assert circuit.permits(2.0)
