"""Words for texts that people read."""


def with_article(noun: str) -> str:
    """``a prompt``, ``an event``."""
    return f"an {noun}" if noun[0] in "aeio" else f"a {noun}"  # u: a use_case


def begun_with_article(noun: str) -> str:
    """``A prompt``, ``An event``: at the beginning of a sentence."""
    return f"A{with_article(noun)[1:]}"
