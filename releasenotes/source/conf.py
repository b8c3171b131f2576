"""How the release notes are built."""

project = 'trove-flavor-filter Release Notes'
copyright = 'The trove-flavor-filter developers'
extensions = ['openstackdocstheme', 'reno.sphinxext']
openstackdocs_repo_name = 'openstack/trove-flavor-filter'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
version = release = ''
html_theme = 'openstackdocs'
