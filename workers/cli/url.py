"""`wasmfleet url`: the broker's URL with its password, for clients that know names only."""

import typer

from wasmfleet.config.settings import settings


def url() -> None:
    """Print the broker's URL with its password, for a Celery client without this package. Mind who can read it."""
    from wasmfleet.workers.node import broker

    typer.echo(broker.client_url(settings()))
