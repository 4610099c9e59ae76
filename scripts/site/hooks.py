"""mkdocs hooks: the README is the site's first page; links out of docs/ become plain paths."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[([^\]]+)\]\(([^)#:]+)(#[^)]*)?\)")


def inside(text: str, place: Path) -> str:
    """The text of a page with links that lead out of docs/ as paths in the repository."""
    docs = ROOT / "docs"

    def rewritten(link: re.Match[str]) -> str:
        words, target, _ = link.groups()
        path = (place.parent / target).resolve()
        if path.is_relative_to(docs) and path.is_file():
            return link[0]
        shown = path.relative_to(ROOT)
        return words if words.strip("`") == str(shown) else f"{words} (`{shown}`)"

    return LINK.sub(rewritten, text)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README as the first page."""
    text = inside((ROOT / "README.md").read_text(encoding="utf-8"), ROOT / "README.md")
    text = re.sub(r"\]\(docs/", "](", text)
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown: str, page: object, **_: object) -> str:
    """Rewrite one page's links."""
    source = page.file.abs_src_path  # type: ignore[attr-defined]  # mkdocs gives a Page
    return inside(markdown, Path(source)) if source else markdown
