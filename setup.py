"""The one build choice that pyproject.toml can't express: compiling the hot modules with mypyc.

`HOMECELL_COMPILE=1 pip install .` compiles HOT_MODULES; without it, or where the compiler fails, the same
files run interpreted.
"""

import os

from setuptools import setup

HOT_MODULES: tuple[str, ...] = ()
"""Source files that are compiled together, in one extension."""

extensions = []
if os.environ.get("HOMECELL_COMPILE") == "1" and HOT_MODULES:
    from mypyc.build import mypycify

    extensions = mypycify(list(HOT_MODULES), opt_level="3", group_name="homecell")
    for extension in extensions:
        extension.optional = True

setup(ext_modules=extensions)
