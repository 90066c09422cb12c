"""The demonstration: the main job from end to end on a simulated clock, and the proof of it.

``run`` plays all scenes (``scenes``) in an ``environment``; ``narrator`` writes the output. The
proof: what to look for (``traces``), where (``search_targets``), how (``byte_finder``), and what
each search must find (``proof``).
"""
