"""What `homecell explain` is asked and answers: the rooms that a request passed, and by which rule."""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.errors import Problem


@dataclass(frozen=True, slots=True)
class Question:
    """A request to explain: a token, or else the key of its user; the method, the decoded path."""

    key: str
    token: str
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Step:
    """What one room said. `passed` is False in the room that ended the way, `rule` what it decided by."""

    room: str
    passed: bool
    says: str
    rule: str


@dataclass(slots=True)
class Explanation:
    """The steps in order, and what the client gets: `status` is None when the cell's own reply is passed on.

    served  the request is forwarded to the user's home, which answers for all that is known
    reason  slug of the problem, "" when the request is forwarded
    """

    key: str = ""
    steps: list[Step] = field(default_factory=list)
    served: bool = False
    status: int | None = None
    reason: str = ""
    cell: str = ""
    client_gets: str = ""

    def passes(self, room: str, says: str, rule: str) -> None:
        self.steps.append(Step(room, True, says, rule))

    def ends(self, room: str, says: str, rule: str, problem: Problem, more: str = "") -> None:
        self.steps.append(Step(room, False, says, rule))
        self.status, self.reason = problem.status, problem.slug
        self.client_gets = f"{problem.status} {problem.title} ({problem.slug}){more}"

    def does_not_answer(self, edge: str) -> None:
        """Of the cell that the last step sends the request to, by the running edge's word."""
        last = self.steps.pop()
        rule = f"{edge} tries it with every request; `reason` in its access log says how that failed"
        self.steps.append(
            Step(last.room, False, f"{last.says}: {self.cell} does not answer, says {edge}", rule)
        )
        self.served = False
        self.client_gets = f"503 or 502, unless {self.cell} answers again"
