"""Metrics, in a registry of devbench's own so that embedding programs keep theirs clean."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

IMAGE_CACHE = Counter(
    "devbench_image_cache", "Image resolutions answered from the cache or not.", ["result"], registry=REGISTRY
)
SPAWNS = Counter("devbench_spawns", "Spawns by their outcome.", ["outcome"], registry=REGISTRY)
SPAWN_SECONDS = Histogram("devbench_spawn_seconds", "Time of successful spawns.", registry=REGISTRY)
CONTAINERS_ENDED = Counter(
    "devbench_containers_ended", "Ended containers by reason.", ["reason"], registry=REGISTRY
)
EXECS_ENDED = Counter("devbench_execs_ended", "Ended commands by reason.", ["reason"], registry=REGISTRY)
EXECS_RUNNING = Gauge("devbench_execs_running", "Commands that run now on this host.", registry=REGISTRY)
EXECS_QUEUED = Gauge(
    "devbench_execs_queued", "Commands that wait on this host for another one to end.", registry=REGISTRY
)
EVENTS = Counter("devbench_events", "Events by name.", ["name"], registry=REGISTRY)
TOOL_CALLS = Counter(
    "devbench_tool_calls",
    "Tool calls by tool and error code (ok for none).",
    ["tool", "code"],
    registry=REGISTRY,
)
