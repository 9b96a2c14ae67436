"""What a benchmark found."""

import dataclasses


@dataclasses.dataclass
class Result:
    """One figure of ours, what stands beside it, and its bar.

    With a peer, `bar` is the least ratio ours/peer; without one, it is the most that ours may be, or the least with
    `at_least`. Without a bar it is there to be read.
    """

    what: str
    unit: str
    ours: float
    bar: float | None = None
    peer: float | None = None
    peer_name: str = ""
    at_least: bool = False
    details: dict = dataclasses.field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None without one."""
        if self.bar is None:
            return None
        if self.peer is not None:
            return self.ours >= self.bar * self.peer
        return self.ours >= self.bar if self.at_least else self.ours <= self.bar

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
        if self.bar is None:
            return ""
        if self.peer is not None:
            return f"≥ {self.bar:g}x"
        return f"{'≥' if self.at_least else '≤'} {number(self.bar)} {self.unit}"

    @property
    def met_text(self) -> str:
        return {True: "met", False: "**missed**", None: ""}[self.met]

    @property
    def json(self) -> dict:
        names = ("ours_text", "peer_text", "ratio_text", "bar_text", "met_text")
        return dataclasses.asdict(self) | {name: getattr(self, name) for name in names}


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def quantile(values: list[float], share: float) -> float:
    """The value that this share of all values does not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
