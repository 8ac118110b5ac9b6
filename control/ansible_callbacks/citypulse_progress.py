"""Tells a playbook's way in one line per play, and each failure in one sentence.

Ansible's own output goes to a log; this writes JSON lines to the descriptor that
CITYPULSE_PROGRESS_FD names: {"play": name}, {"failed": sentence, "host": ..., "task": ...},
{"changed": n}.
"""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: citypulse_progress
type: notification
short_description: a playbook's way as JSON lines on a file descriptor
description: One line per play, failure and end, for the command that started the playbook.
"""


class CallbackModule(CallbackBase):
    """Ansible finds the plugin by this name."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "citypulse_progress"
    CALLBACK_NEEDS_ENABLED = True

    def _tell(self, **event: object) -> None:
        descriptor = os.environ.get("CITYPULSE_PROGRESS_FD")
        if descriptor:
            os.write(int(descriptor), (json.dumps(event) + "\n").encode())

    def v2_playbook_on_play_start(self, play) -> None:
        """Name the play that begins."""
        self._tell(play=play.get_name().strip())

    def v2_runner_on_failed(self, result, ignore_errors=False) -> None:
        """Say why a task failed, unless the play goes on."""
        if not ignore_errors:
            self._tell_failure(result)

    def v2_runner_on_unreachable(self, result) -> None:
        """Say why a host could not be reached."""
        self._tell_failure(result)

    def v2_playbook_on_stats(self, stats) -> None:
        """Say how many tasks changed something."""
        self._tell(changed=sum(stats.summarize(host)["changed"] for host in stats.processed))

    def _tell_failure(self, result) -> None:
        outcome = result.result if hasattr(result, "result") else result._result
        items = [i for i in outcome.get("results", []) if i.get("failed") or i.get("unreachable")]
        sentences = [str(item.get("msg", "")) for item in items] or [str(outcome.get("msg", ""))]
        if outcome.get("stderr"):
            sentences.append(outcome["stderr"])
        host = result.host.get_name() if hasattr(result, "host") else result._host.get_name()
        task = result.task.get_name() if hasattr(result, "task") else result._task.get_name()
        self._tell(failed="\n".join(s for s in sentences if s), host=host, task=task)
