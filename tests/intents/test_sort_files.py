"""Folders and streams as repositories have them: intents among everything else."""

import shutil
from pathlib import Path

import pytest

from otterize_pcap.errors import GraphFormatError
from otterize_pcap.intents.sort_files import NamedFile, sort_files
from tests.conftest import FIXTURES, Otterize

INTENTS = (FIXTURES / "tutorial" / "export.yaml").read_bytes()
CAPTURE = FIXTURES / "tutorial-before"
OTHERS = {
    "base/kustomization.yaml": b"resources:\n- intents.yaml\n",
    "base/deployment.yaml": b"kind: Deployment\n---\nkind: Service\n---\n",
    "base/empty.yaml": b"",
    "base/list.yml": b"kind: List\nitems:\n- kind: Deployment\n- kind: Secret\n",
    "chart/templates/pod.yaml": b"{{ if .Values.on }}\nkind: Pod\n{{ end }}\n",
    "chart/values.yaml": b"replicas: 3\n",
    "package.json": b'{"name": "shop"}',
    ".gitlab-ci.yml": b"job: !reference [a, b]\n",
}
COUNTED = (
    "note: left out, since they declare no calls: 3 without a kind, 2 Deployment, "
    "2 neither JSON nor YAML, 1 Secret, 1 Service, 1 empty"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository's folder, with one file of intents deep in it."""
    for name, content in {**OTHERS, "apps/shop/intents.yaml": INTENTS}.items():
        path = tmp_path / "repository" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "repository"


def test_folder_of_a_repository_declares_what_its_intents_do(
    folder: Path, otterize: Otterize
) -> None:
    """What is no ClientIntents is counted by kind; with -v, what could not be parsed is named."""
    done = otterize("check", CAPTURE, "--allow", folder, "-v")
    assert (done.returncode, done.stdout) == (0, "All observed calls are declared (2).\n")
    assert COUNTED in done.stderr.splitlines()
    assert "templates/pod.yaml: neither JSON nor YAML" in done.stderr
    assert COUNTED in otterize("diff", folder, folder).stderr
    assert "left out" not in otterize("check", CAPTURE, "--allow", folder, "-q").stderr


def test_places_are_found_in_a_folder(folder: Path, otterize: Otterize) -> None:
    """Annotations point at the file that declares, not at the first of the folder."""
    after = FIXTURES / "tutorial-after"
    done = otterize("check", after, "--allow", folder, "--format", "github", "-q")
    assert f"file={folder}/apps/shop/intents.yaml,line=1," in done.stdout


def test_folder_without_intents_is_an_error(folder: Path, otterize: Otterize) -> None:
    """It would declare nothing; the kinds that were found are told."""
    shutil.rmtree(folder / "apps")
    done = otterize("check", CAPTURE, "--allow", folder)
    assert done.returncode == 3
    assert "no ClientIntents in this directory (found 3 without a kind, 2 Deploy" in done.stderr


def test_stream_of_a_rendered_chart(otterize: Otterize) -> None:
    """`helm template` prints all kinds in one stream, with comments and empty documents."""
    stream = b"---\n# Source: shop/a.yaml\n---\nkind: Deployment\n---\n" + INTENTS
    done = otterize("check", CAPTURE, "--allow", "-", stdin=stream)
    assert done.returncode == 0
    assert "note: left out, since they declare no calls: 1 Deployment" in done.stderr


@pytest.mark.parametrize(
    "content", [b"kind: ClientIntents\nspec: {{ .Values.x }\n", b'{"kind": "ClientIntents"']
)
def test_broken_intents_are_never_left_out(content: bytes) -> None:
    """A file that speaks of ClientIntents and cannot be parsed ends the run, wherever it lies."""
    with pytest.raises(GraphFormatError, match="broken"):
        sort_files([NamedFile("broken.yaml", content, in_folder=True)])


@pytest.mark.parametrize("content", [b"", b"kind: Deployment\n", b"a: {{ b }\n"])
def test_named_file_without_intents_is_an_error(content: bytes) -> None:
    """Whoever names a file means it."""
    with pytest.raises(GraphFormatError):
        sort_files([NamedFile("named.yaml", content)])
