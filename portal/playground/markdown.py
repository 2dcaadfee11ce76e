"""Model cards, from Markdown to HTML that can do no harm."""

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

from portal.catalog import ModelVersion

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


def card_html(version: ModelVersion) -> Markup:
    """Return the model card as safe HTML, its headings one level down."""
    tokens = _markdown.parse(version.card)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
    html = _markdown.renderer.render(tokens, _markdown.options, {})
    return Markup(nh3.clean(html))  # noqa: S704 - cleaned
