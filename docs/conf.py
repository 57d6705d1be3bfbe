"""How the site is built from these pages. Its own small parts lie in `_site/`.

python -m sphinx -W --keep-going -b html docs build/site
"""

import sys
from pathlib import Path

import topklm

sys.path.insert(0, str(Path(__file__).parent / "_site"))

project = "topklm"
author = "the authors of topklm"
project_copyright = author
version = release = topklm.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "references",
    "docstrings",
    "mathml",
    "site_checks",
]
exclude_patterns = ["_site"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
highlight_language = "none"  # an indented block is a command or its output
suppress_warnings = ["toc.not_included"]

nb_execution_mode = "off"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = f"topklm {release}"
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"
html_theme_options = {"navigation_with_keys": True}
