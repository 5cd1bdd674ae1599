//! Request and response types of the API, and the validation of recipes and configuration.
