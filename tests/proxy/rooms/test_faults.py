"""What a refused client is told."""

from __future__ import annotations

import re

import pytest

from proxy.errors import INVALID_CREDENTIAL, NO_CREDENTIAL, Refusal
from proxy.rooms.faults import Fault, challenge


def test_without_a_credential_the_challenge_names_no_error() -> None:
    assert challenge(Refusal(NO_CREDENTIAL, "Send one")) == b"Bearer"


@pytest.mark.parametrize("fault", Fault)
def test_each_fault_makes_a_well_formed_challenge(fault: Fault) -> None:
    field = challenge(Refusal(INVALID_CREDENTIAL, fault.value))
    assert re.fullmatch(
        rb'Bearer error="invalid_token", error_description="[ !#-\[\]-~]+"', field
    )  # RFC 6750, 3
