"""`wasmfleet url`: print the broker's URL with its password, for Celery clients that do not have this package."""

import typer

from wasmfleet.config.settings import settings


def url() -> None:
    """Print the broker's URL, for a Celery client without this package. It contains the password: mind who sees it."""
    from wasmfleet.workers.node import broker

    typer.echo(broker.client_url(settings()))
