"""Routes of export, import and clone; they precede those of studies, which also match `import`."""

from django.urls import path

import studies.api.path_converters  # noqa: F401  (registers study_name)
from transfer.api.views import ImportViewSet, TransferViewSet

_STUDY = "studies/<study_name:study_name>"

urlpatterns = [
    path(
        "studies/import",
        ImportViewSet.as_view(
            {
                "post": "import_studies",
                "get": "retrieve",
                "patch": "partial_update",
                "delete": "destroy",
            }
        ),
        {"study_name": "import"},
    ),
    path(f"{_STUDY}/export", TransferViewSet.as_view({"get": "export"})),
    path(f"{_STUDY}/clone", TransferViewSet.as_view({"post": "clone"})),
]
