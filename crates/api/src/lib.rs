//! Handlers of the API and its OpenAPI description.
