"""Actors of the tests, where these call a use case themselves."""

from access.actors import Actor

COMMAND = Actor.command("tests")
