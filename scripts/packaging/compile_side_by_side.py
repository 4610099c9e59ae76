"""setuptools' `build_ext` that compiles with all processors; pyproject.toml names it.

Cython translates one module at a time, since it is nowhere said to be safe in threads, while C
compilers, processes of their own, work on those before. Python's own options ask for debug
information, which takes a third of the compiler's time and four fifths of a module's bytes.
"""

import os
import threading

from Cython.Build import cythonize
from setuptools import Extension
from setuptools.command.build_ext import build_ext


class CompileSideBySide(build_ext):
    """Builds the extensions of pyproject.toml."""

    def initialize_options(self) -> None:
        """Make what all extensions share."""
        super().initialize_options()
        self._translating = threading.Lock()

    def finalize_options(self) -> None:
        """Take one thread a processor, where no number was given."""
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extension(self, ext: Extension) -> None:
        """Translate one extension alone, and compile it beside others."""
        with self._translating:
            (translated,) = cythonize(ext, force=self.force, quiet=self.verbose == 0)
        ext.sources = translated.sources
        if self.compiler.compiler_type == "unix":
            ext.extra_compile_args.append("-g0")
        super().build_extension(ext)
