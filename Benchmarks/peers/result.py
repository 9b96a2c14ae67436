"""What a benchmark found."""

import dataclasses


@dataclasses.dataclass
class Result:
    """Both sides of a benchmark and its bar.

    With a peer, `bar` is the least ratio ours/peer; without one, it is the most that ours may be.
    """

    what: str
    unit: str
    ours: float
    bar: float
    peer: float | None = None
    peer_name: str = ""
    details: dict = dataclasses.field(default_factory=dict)

    @property
    def met(self) -> bool:
        return self.ours <= self.bar if self.peer is None else self.ours >= self.bar * self.peer

    @property
    def ours_text(self) -> str:
        return f"{number(self.ours)} {self.unit}"

    @property
    def peer_text(self) -> str:
        return "" if self.peer is None else f"{number(self.peer)} {self.unit} ({self.peer_name})"

    @property
    def ratio_text(self) -> str:
        return "" if self.peer is None else f"{self.ours / self.peer:.2f}x" if self.peer else "no peer figure"

    @property
    def bar_text(self) -> str:
        return f"≤ {number(self.bar)} {self.unit}" if self.peer is None else f"≥ {self.bar:g}x"

    @property
    def json(self) -> dict:
        texts = {name: getattr(self, name) for name in ("ours_text", "peer_text", "ratio_text", "bar_text", "met")}
        return dataclasses.asdict(self) | texts


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def quantile(values: list[float], share: float) -> float:
    """The value that this share of all values does not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
