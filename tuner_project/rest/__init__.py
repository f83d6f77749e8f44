"""What the API's views share: parsing, serializers, errors, paging, OpenAPI."""
