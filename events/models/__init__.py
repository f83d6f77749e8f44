"""Events, webhooks, and the deliveries of the ones to the others."""

from events.models.delivery import Delivery
from events.models.event import Event, EventStream
from events.models.webhook import Webhook

__all__ = ["Delivery", "Event", "EventStream", "Webhook"]
