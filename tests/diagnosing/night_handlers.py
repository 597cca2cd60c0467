"""Handlers with the mistakes that a night is made of: `python -m emonk_ops.tick` loads them."""

from __future__ import annotations

from datetime import timedelta

from emonk_ops.sandbox import demo_jobs
from emonk_ops.tick import HandlerContext, handler

WELL = demo_jobs  # the jobs that the service has on other nights


class Hiccup(Exception):
    """What ends the first attempt after its effect is out."""


@handler("mail_twice")
async def send_and_fail(context: HandlerContext) -> None:
    """Its effect is out before it fails, and the next attempt sends it again."""
    context.log.info("Mail sent", effect="mail")
    if context.attempt == 1:
        raise Hiccup("the answer was lost")


@handler("mail_once")
async def send_once_and_fail(context: HandlerContext) -> None:
    """The same behind `once()`."""
    if await context.once("mail"):
        context.log.info("Mail sent", effect="mail")
    if context.attempt == 1:
        raise Hiccup("the answer was lost")


@handler("slow_report")
async def take_time(context: HandlerContext) -> None:
    """Takes `seconds` of the clock."""
    seconds = float(context.payload["seconds"])
    await context.clock.sleep_until(context.clock.now() + timedelta(seconds=seconds))
