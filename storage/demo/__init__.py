"""The demonstration: the main job from end to end on a simulated clock, and the proof of it.

``play.play`` runs all scenes. Beside it: what is stored (``conversations``), the world it happens
in (``world``), how it is told (``narrate``), the scenes, and the proof: what is looked for
(``traces``), where (``corpus``), how (``search``) and what that has to give (``proof``).
"""
