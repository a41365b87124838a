"""Labels of sections -> what the section is for, in seven words.

The rule is Algorithm 1 of Wang, Hung and Smith 2022, To catch a chorus, verse, intro, or anything else: analyzing a
song with structural functions (arXiv 2205.14700), which they apply to Harmonix, SALAMI, RWC and Isophonics alike.
"""

from dataclasses import replace

from ricercar.data.annotations.segments import Segments

RULES = ("none", "wang_2022")

# A label that has one of the parts in it is of the function; the first row counts: `instrumentalverse` is a verse.
_PARTS = (
    ("silence", ("silence",)),
    ("verse", ("pre-chorus", "prechorus")),
    ("chorus", ("refrain", "chorus", "theme", "stutter")),
    ("verse", ("verse", "rap", "section", "slow", "build", "dialog")),
    ("intro", ("intro", "fadein", "opening")),
    ("bridge", ("bridge", "trans")),
    ("outro", ("out", "coda", "ending")),
)
_OTHER = "inst"  # breaks, solos, interludes; and names of instruments, and whatever else
_NO_FUNCTION = "end"  # a section by this name stands where a song is over
_NUMBER = " 0123456789"  # that the decoder puts behind a label which it gives to several groups of sections


def function_of(label: str) -> str:
    """ "Pre-Chorus" -> "verse"; silence, intro, verse, chorus, bridge, outro, inst, or end."""
    label = label.lower()
    if label.rstrip(_NUMBER) == _NO_FUNCTION:
        return _NO_FUNCTION
    return next((function for function, parts in _PARTS if any(part in label for part in parts)), _OTHER)


def with_functions(segments: Segments) -> Segments:
    """The same sections, also where two neighbours have one function now."""
    return replace(segments, label=tuple(map(function_of, segments.label)))
