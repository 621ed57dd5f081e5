"""Settings of Sphinx; `docs/build` collects the pages and runs it."""

import os
import re

import trulysparse

project = "trulysparse"
author = "the authors of trulysparse"
version = release = trulysparse.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

# Types stand beside the parameters and defaults in the signature, each once.
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
default_role = "py:obj"  # what stands in single backticks
autosummary_generate = True
autosummary_imported_members = True
napoleon_google_docstring = False
napoleon_use_ivar = True
# Words of a type, such as shape, are names of several attributes.
suppress_warnings = ["ref.python"]
templates_path = ["templates"]
exclude_patterns = ["templates", "gallery/*.py", "gallery/*.ipynb"]

sphinx_gallery_conf = {
    "examples_dirs": [os.environ["TRULYSPARSE_EXAMPLES"]],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"\.py$",
    "download_all_examples": False,
    "min_reported_time": 0,
    "show_memory": False,
    "matplotlib_animations": True,
    "show_signature": False,
    "backreferences_dir": None,
}

html_theme = "furo"
html_title = f"trulysparse {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}

# Names with an underscore at the end are no links of reStructuredText; those in backticks are left.
ENDS = re.compile(r"(`[^`]*`)|(?<=\w)_(?=[^\w`]|$)")


def escaped(app, what, name, subject, options, lines):
    """Escape the last underscore of names such as ``n_features_in_``."""
    lines[:] = [ENDS.sub(lambda found: found[1] or r"\_", line) for line in lines]


def setup(app):
    """Change docstrings before Napoleon reads them."""
    app.connect("autodoc-process-docstring", escaped, priority=400)
