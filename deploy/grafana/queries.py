"""Forms of expressions that several panels share.

What every API process tells alike, from Redis, is taken once: the greatest over them. What each process
counts for itself adds up.
"""

WINDOW = "[$__rate_interval]"


def shared_rate(counter: str, *labels: str, match: str = "") -> str:
    """A second's growth of a counter that all API processes tell alike."""
    rate = f"rate({counter}{{$scope{match}}}{WINDOW})"
    return f"sum by ({', '.join(labels)}) (max without (instance, pod) ({rate}))"


def own_rate(counter: str, *labels: str, match: str = "") -> str:
    """A second's growth of a counter that each process has for itself."""
    return f"sum by ({', '.join(labels)}) (rate({counter}{{$scope{match}}}{WINDOW}))"


def quantile(share: float, histogram: str, *labels: str, match: str = "") -> str:
    """Over all processes together. Those that tell alike do not change a quantile."""
    by = ", ".join(("le", *labels))
    return f"histogram_quantile({share}, sum by ({by}) (rate({histogram}_bucket{{$scope{match}}}{WINDOW})))"


def quantiles(histogram: str, match: str = "") -> tuple[tuple[str, str], ...]:
    return tuple(
        (quantile(share, histogram, match=match), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)
    )


def mean(histogram: str, *labels: str) -> str:
    return f"{own_rate(f'{histogram}_sum', *labels)} / {own_rate(f'{histogram}_count', *labels)}"
