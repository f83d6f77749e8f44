"""What the admin is called. The apps register their models themselves."""

from django.contrib import admin

admin.site.site_header = "Tuner"
admin.site.site_title = "Tuner"
admin.site.index_title = "Tuner"
admin.site.enable_nav_sidebar = False  # four lists; the tables need the width
