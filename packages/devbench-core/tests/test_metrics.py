"""Metrics cost a short command nothing, and lose nothing that was counted before they were made."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def ran(script: str) -> str:
    """Return what a new interpreter prints: metrics are made once for each process."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_what_was_counted_before_the_registry_was_asked_for_is_in_it():
    out = ran(
        """
        import sys
        from devbench_core import metrics
        metrics.SPAWNS.labels(outcome="spawned").inc()
        metrics.SPAWNS.labels(outcome="spawned").inc(2)
        metrics.EXECS_RUNNING.inc(3)
        metrics.EXECS_RUNNING.dec()
        metrics.SPAWN_SECONDS.observe(4)
        assert "prometheus_client" not in sys.modules
        registry = metrics.registry()
        metrics.EXECS_RUNNING.inc(5)
        print(registry.get_sample_value("devbench_spawns_total", {"outcome": "spawned"}))
        print(registry.get_sample_value("devbench_execs_running"))
        print(registry.get_sample_value("devbench_spawn_seconds_sum"))
        """
    )
    assert out.split() == ["3.0", "7.0", "4.0"]


def test_a_program_that_counts_a_lot_has_them_made():
    out = ran(
        """
        import sys
        from devbench_core import metrics
        for _ in range(metrics.WRITTEN_DOWN_MAX):
            metrics.EXECS_RUNNING.inc()
        print("prometheus_client" in sys.modules)
        print(metrics.registry().get_sample_value("devbench_execs_running") == metrics.WRITTEN_DOWN_MAX)
        """
    )
    assert out.split() == ["True", "True"]


def test_a_count_in_the_moment_when_they_are_made_is_not_lost():
    out = ran(
        """
        import threading
        from devbench_core import metrics
        begun = threading.Event()
        counted = 0
        def count():
            global counted
            while counted < 200_000 and not (made.is_set() and counted > 2000):
                metrics.EVENTS.labels(name="x").inc()
                counted += 1
                if counted == 500:
                    begun.set()
        made = threading.Event()
        thread = threading.Thread(target=count)
        thread.start()
        begun.wait()
        metrics.registry()
        made.set()
        thread.join()
        print(metrics.registry().get_sample_value("devbench_events_total", {"name": "x"}) == counted)
        """
    )
    assert out.split() == ["True"]


def test_a_metric_that_is_declared_late_is_in_the_registry_too():
    out = ran(
        """
        from devbench_core import metrics
        registry = metrics.registry()
        metrics.Metric("Gauge", "devbench_late", "A late one.").set(2)
        print(registry.get_sample_value("devbench_late"))
        """
    )
    assert out.split() == ["2.0"]
