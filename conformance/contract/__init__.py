"""What the API demands: requirements, the OpenAPI description, the rules of each exchange."""
