"""The common code of the API's views: parsing, serializers, errors, paging, OpenAPI."""
