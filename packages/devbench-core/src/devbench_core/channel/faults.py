"""Errors of the channel, in one place."""

from __future__ import annotations

from devbench_core.channel.codes import Fault
from devbench_core.channel.messages import Error, Goodbye
from devbench_core.errors import AgentMisbehaved, AgentUnavailable, DevbenchError, Unauthorised

TEXT_MAX = 200  # characters of an agent's own words that are shown
REFUSALS = (Fault.UNAUTHORISED, Fault.FORBIDDEN, Fault.ALREADY_CLAIMED, Fault.NOT_CLAIMED)


def quote(text: str) -> str:
    """Return an agent's own words, shortened and printable: they are not trusted."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:TEXT_MAX])


def lie(what: str) -> AgentMisbehaved:
    """Return the error for an agent that breaks the protocol."""
    return AgentMisbehaved(
        f"the agent broke the protocol: {what}",
        hint="its channel was closed; if it happens again, kill the container",
    )


def cut(what: str = "the channel to the agent was cut") -> AgentUnavailable:
    """Return the error for a stream that ended."""
    return AgentUnavailable(what, hint="try again; `inspect` tells whether the container still runs")


def over(message: Error | Goodbye) -> DevbenchError:
    """Return the error for a channel that the agent ended."""
    text = quote(message.message)
    if isinstance(message, Goodbye):
        return cut(
            f"the agent closed the channel: {message.reason.name.lower().replace('_', ' ')} {text}".rstrip()
        )
    name = message.code.name.lower().replace("_", " ")
    if message.code in REFUSALS:
        return Unauthorised(
            f"the agent refused this host: {name} {text}".rstrip(),
            hint="another token was set in it, or the stream does not come from outside the container",
        )
    return AgentUnavailable(f"the agent closed the channel: {name} {text}".rstrip(), hint="try again")
