"""What the API demands: requirements, the OpenAPI description, and the rules of each exchange."""
