"""The shape of the config's section on new users: who gives them a home, and how full a cell may get."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

from proxy.config.section import Section

Share = Annotated[float, Strict(), Field(gt=0, le=1, allow_inf_nan=False)]


class Placement(Section):
    """How new users get a home, and which share of all users one cell may have."""

    first_sight: Annotated[bool, Strict()] = Field(
        default=False,
        description="Whether this edge gives a home to a user who has a valid credential and no home: in a "
        "cell that `residency` allows to users of this edge's jurisdiction, under whose law the user then "
        "is. Default: false, because only you know whether whoever comes here first lives here; such a user "
        "gets 404, and `homecell users place` or the lookup service gives it a home.",
    )
    share_warning: Share = Field(
        default=0.2,
        description="Share of all users (0 to 1) beyond which a cell is warned of, and gets new users only "
        "when no other may take them. Default: 0.2; more is a large part of your users in one failure. It "
        "says nothing where there are too few cells to keep it, or of a cell with at most 1,000 users.",
    )
    share_cap: Share | None = Field(
        default=None,
        description="Share of all users beyond which a cell gets no new users at all, 1,000 users aside. "
        "Default: none, because when all cells of a jurisdiction are at it, new users get no home; "
        "`capacity` in the cells file bounds each cell by itself.",
    )
