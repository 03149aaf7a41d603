"""The end of a run: its players are erased, its results are written, its verdict is given."""

import time
from contextlib import ExitStack

import pytest

from conformance.client.api import Api
from conformance.client.created_players import created_in
from conformance.lifecycle.cleanup import erase
from conformance.plugin.collection import print_line
from conformance.plugin.progress import Display
from conformance.plugin.session import RunSession
from conformance.plugin.summary import begin_known_failures, closing_lines, coloured, exit_code
from conformance.report import RunDirectory
from conformance.results.collector import Collected
from conformance.results.document import Cleanup, Head
from conformance.results.verdict import EXIT_USAGE

ABORT_REASONS = {
    pytest.ExitCode.INTERRUPTED: "the run was interrupted",
    pytest.ExitCode.INTERNAL_ERROR: "pytest stopped with an internal error",
}


class Conclusion:
    """Concludes a run, however it ends; `closing` stops what was started for it."""

    def __init__(
        self,
        session: RunSession,
        directory: RunDirectory,
        collected: Collected,
        closing: ExitStack,
    ) -> None:
        self._session = session
        self._directory = directory
        self._collected = collected
        self._closing = closing
        self._head: Head | None = None
        self._lines: list[str] = []

    def begin(self, head: Head) -> None:
        """What is known before the first test is kept: from now on there is something to report."""
        self._head = head
        self._session.files.begin(head)

    def finish(self, config: pytest.Config, exit_status: int, display: Display | None) -> int:
        """Erase the run's players, write the results and return the exit code of the verdict."""
        if exit_status == pytest.ExitCode.USAGE_ERROR:
            self.abandon()
            return EXIT_USAGE
        collected = self._collected
        collected.cleanup = self._clean_up(config, display)
        if display is not None:
            display.progress.write_report()
        reason = collected.abort_reason or ABORT_REASONS.get(pytest.ExitCode(exit_status))
        collected.whole = reason is None and self._session.command_line.is_whole
        return self._conclude(reason)

    def give_up(self, reason: str) -> None:
        """Leave an inconclusive result for a server that cannot be tested."""
        self._directory.announce()
        self._conclude(reason)

    def abandon(self) -> None:
        """Nothing was tested: erase what the preflight created."""
        if self._clean_up().left == 0:
            self._session.files.discard()
        self._directory.discard()

    def _clean_up(
        self, config: pytest.Config | None = None, display: Display | None = None
    ) -> Cleanup:
        """Erase the players of the run, unless they are to be left or go with the server."""
        run, files = self._session.run, self._session.files
        created = created_in(files.path)
        if run.bundled:
            return Cleanup(reason="the bundled server is gone, and all players with it")
        if self._session.command_line.option("--keep"):
            return Cleanup(created=len(created), left=len(created), reason="as --keep says")
        if not created:
            files.keep_players(())
            return Cleanup()
        again = f"`kraty-conformance clean {files.path}` erases them"
        warning = f"erasing {len(created)} players; Ctrl-C leaves the rest, and {again}"
        if display is not None:
            display.say(warning)
        elif config is not None:
            print_line(config, warning)
        if self._collected.abort_reason is not None:
            self._session.transport.health.try_once_more()
        note = (lambda *_: None) if display is None else display.progress.erase
        files.is_erasing = True
        self._session.waiting.requirement = "the clean-up"
        done = erase(self._erasers(), created, run.prefix, note)
        files.is_erasing = False
        files.keep_players(done.left)
        left = len(done.left)
        reason = "; ".join(filter(None, [done.refusal, again])) if left else None
        return Cleanup(created=done.created, erased=done.erased, left=left, reason=reason)

    def _erasers(self) -> dict[str, Api]:
        channel, keys = self._session.channel(), self._session.run.target.keys
        return {role: Api(channel, token, "") for role, token in keys.items()}

    def _conclude(self, abort_reason: str | None) -> int:
        assert self._head is not None
        session, head = self._session, self._head
        seconds = time.time() - head.started
        run = session.run
        document = self._collected.document(head, seconds, abort_reason, run.known, run.required)
        session.files.conclude(document)
        begun = session.command_line.option("--write-known-failures")
        if begun is not None:
            self._lines.append(begin_known_failures(session.command_line.path(begun), document))
        self._lines += closing_lines(document, session.files)
        return exit_code(document, session.files)

    def close(self, config: pytest.Config) -> None:
        """Stop what was started, and print the verdict as the last lines."""
        self._closing.close()
        if self._lines:
            print(*coloured(config, self._lines), sep="\n", flush=True)


CONCLUSION = pytest.StashKey[Conclusion]()
