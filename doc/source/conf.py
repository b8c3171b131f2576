"""How the documentation is built."""

project = 'trove-flavor-filter'
copyright = 'The trove-flavor-filter developers'
extensions = ['openstackdocstheme', 'sphinx.ext.autodoc']
openstackdocs_repo_name = 'openstack/trove-flavor-filter'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
version = release = ''
html_theme = 'openstackdocs'
