"""What configuration says, read once at the start."""

import json
import os

PROPERTIES = "/run/kiln/application.json"


def load():
    """The application's properties; nothing outside of Kiln."""
    try:
        with open(PROPERTIES, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


properties = load()

# The same property, the two other ways: as a variable, and with a default for when it is not set.
greeting = os.environ.get("GREETING_TEXT", "Hello, world")
