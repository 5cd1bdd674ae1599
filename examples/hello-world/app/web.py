"""The pages."""

import os

from flask import Flask, jsonify

import settings

app = Flask(__name__)


@app.get("/")
def hello():
    return f"{settings.greeting}!\n"


@app.get("/about")
def about():
    """What this instance is, for people who look at one."""
    return jsonify(
        properties=settings.properties,
        release=os.environ.get("KILN_RELEASE"),
        instance=os.environ.get("KILN_INSTANCE"),
    )


@app.get("/healthy")
def healthy():
    return "yes\n"
