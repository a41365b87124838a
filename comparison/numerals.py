"""Numbers as tables show them; "-" for what is not known."""

import math


def score(value: float | None) -> str:
    """0.8907"""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.4g}"


def difference(value: float | None) -> str:
    """+0.0213"""
    text = score(value)
    return text if text.startswith("-") else f"+{text}"


def interval(low: float, high: float) -> str:
    """0.8590 to 0.9207"""
    return "-" if math.isnan(low) or math.isnan(high) else f"{score(low)} to {score(high)}"


def p_value(p: float | None) -> str:
    """0.031, < 0.001"""
    if p is None or math.isnan(p):
        return "-"
    if p < 0.001:
        return "< 0.001"
    return "0.049" if p < 0.05 <= round(p, 3) else f"{p:.3f}"  # never rounded over the verdict


def amount(value: float | None) -> str:
    """176 k, 1.2 M, 677 M, 3.4 G"""
    if value is None or math.isnan(value):
        return "-"
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * unit:
            return f"{value / unit:.3g} {letter}"
    return f"{value:.3g}"


def memory(num_bytes: float | None) -> str:
    return "-" if num_bytes is None else f"{num_bytes / 2**30:.2f} GiB"


def duration(seconds: float | None) -> str:
    """42 s, 12 min, 3 h 20 min"""
    if seconds is None or math.isnan(seconds):
        return "-"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
