"""mir_eval's metrics that are slow or fail on long tracks, with the same results to the last bit.

Modules, functions, parameters, defaults, returned values, warnings and errors are those of mir_eval 0.8; what is not
here is called from there. Time and memory grow with the number of pairs that are near in time, where mir_eval compares
everything with everything. Two things differ: returned indices are ints of Python, and an input on which mir_eval
fails by accident (long chains of notes, reference beats that all coincide) has a score.
"""
