"""The catalogue of faults, what a campaign says of them, and the commands."""

import json
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support import COMMAND, HANG, command, until
from test_report import document

from conformance.cli import main
from conformance.cli.faults import exit_code
from conformance.contract.requirements import catalogue
from conformance.failures import UsageError
from conformance.faults.building_blocks import fault as seed
from conformance.faults.campaign import Journal, read_journal
from conformance.faults.deviations import Deviation, Difficulty, Fault, Variant, settings_of
from conformance.faults.processes import Processes
from conformance.faults.registry import faults, first_of_each_kind, gaps
from conformance.faults.scoring import Finding, by_family, counts_of, row_of
from conformance.faults.tables import (
    BEGIN,
    BROKEN,
    END,
    FALSE_ACCUSATION,
    NAMED,
    cell,
    matrix,
    power_table,
    with_table,
)
from conformance.faults.trial import (
    Detection,
    Technique,
    Trial,
    attempt,
    named,
    selections,
    technique_of,
)
from conformance.faults.variants import VARIANTS
from conformance.reference.ledger import Inventory, Wallet
from conformance.results.check import Check, Outcome

KNOWN = faults()
FAULT = Fault("some-fault", "is wrong", (), requirements=("GRANT-2", "GRANT-4"))
VARIANT = Variant("some-variant", "is yes", (), point="whether")
CAUGHT = Detection("some-fault", 1, 2.0, 1, {"GRANT-2": ["scenarios"]})


def test_there_are_enough_faults_and_enough_of_them_are_subtle() -> None:
    subtle = [fault for fault in KNOWN.values() if fault.difficulty is Difficulty.SUBTLE]
    assert len(KNOWN) >= 150
    assert len(subtle) * 3 >= len(KNOWN)


@pytest.mark.parametrize("family", ["GRANT", "LEDGER", "MERGE", "MIG", "DEL"])
def test_the_economy_families_have_eight_faults_each(family: str) -> None:
    assert sum(fault.family == family for fault in KNOWN.values()) >= 8


@pytest.mark.parametrize(
    ("known", "reported"),
    [
        (KNOWN, []),
        (
            {id: fault for id, fault in KNOWN.items() if "DEL-7" not in fault.requirements},
            ["no fault reaches DEL-7"],
        ),
        (
            {**KNOWN, "odd": replace(FAULT, id="odd", requirements=())},
            ["the fault odd breaks no requirement"],
        ),
        (
            {**KNOWN, "strange": replace(FAULT, requirements=("GRANT-99",))},
            ["GRANT-99 is no requirement"],
        ),
    ],
    ids=["none", "an unreached requirement", "nothing broken", "an unknown requirement"],
)
def test_gaps_in_the_catalogue_are_reported(known: dict[str, Fault], reported: list[str]) -> None:
    assert gaps(known) == reported


def test_two_faults_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="grant-race"):
        seed("grant-race", "GRANT-4", difficulty=Difficulty.SUBTLE)(Wallet)


@pytest.mark.parametrize("id", list(KNOWN))
def test_a_fault_is_documented_and_makes_a_server(id: str) -> None:
    fault = KNOWN[id]
    assert fault.summary.endswith(".")
    assert len(set(fault.requirements)) == len(fault.requirements)
    assert settings_of([fault]) != settings_of([])


def test_a_variant_names_its_free_point_and_its_answer() -> None:
    assert all(variant.point and variant.summary for variant in VARIANTS.values())


def test_a_fault_of_what_two_parts_share_breaks_both() -> None:
    parts = settings_of([KNOWN["ledger-32-bits"]]).parts
    assert parts.wallet is not Wallet
    assert parts.inventory is not Inventory
    assert issubclass(parts.wallet, Wallet)
    assert not issubclass(parts.wallet, Inventory)


def test_the_sample_has_each_difficulty_of_each_family() -> None:
    subtle = replace(FAULT, id="subtle", difficulty=Difficulty.SUBTLE)
    easy, later = (replace(FAULT, id=id, difficulty=Difficulty.OBVIOUS) for id in ("easy", "later"))
    ack = replace(subtle, id="ack", requirements=("ACK-1",))
    chosen = first_of_each_kind([subtle, easy, later, ack])
    assert [fault.id for fault in chosen] == ["subtle", "easy", "ack"]


OTHER = replace(CAUGHT, reported={"ACK-1": ["scenarios"]})
BOTH = replace(CAUGHT, reported={**CAUGHT.reported, **OTHER.reported})
CLEARED = Detection("some-variant", 1, 2.0, 0)
FINDINGS: dict[str, tuple[Deviation, list[Detection], Finding]] = {
    "named": (FAULT, [CAUGHT], Finding.CAUGHT),
    "named in one trial only": (FAULT, [CAUGHT, replace(CAUGHT, reported={})], Finding.MISSED),
    "another named": (FAULT, [OTHER], Finding.MISSED),
    "another named too": (FAULT, [BOTH], Finding.FALSE_ACCUSATION),
    "a variant that passes": (VARIANT, [CLEARED], Finding.CLEARED),
    "a variant that is blamed": (VARIANT, [replace(CLEARED, reported={"A": []})], Finding.ACCUSED),
    "a variant left open": (VARIANT, [replace(CLEARED, undecided=["A"])], Finding.ACCUSED),
    "a variant not conformant": (VARIANT, [replace(CLEARED, code=3)], Finding.ACCUSED),
}


@pytest.mark.parametrize("name", list(FINDINGS))
def test_a_finding_follows_from_the_trials(name: str) -> None:
    deviation, detections, finding = FINDINGS[name]
    assert row_of(deviation, detections).finding is finding


@pytest.mark.parametrize(
    ("detection", "problems", "code"),
    [
        (CAUGHT, [], 0),
        (CAUGHT, ["no fault reaches GRANT-1"], 1),
        (replace(CAUGHT, reported={}), [], 1),
        (BOTH, [], 1),
    ],
    ids=["caught", "a gap", "missed", "a false accusation"],
)
def test_one_bad_row_fails_the_command(
    detection: Detection, problems: list[str], code: int
) -> None:
    assert exit_code([row_of(FAULT, [detection])], problems) == code


def test_a_fault_that_only_one_technique_names_is_counted() -> None:
    scenarios = row_of(FAULT, [CAUGHT])
    histories = row_of(FAULT, [replace(CAUGHT, reported={"GRANT-4": ["histories"]})])
    both = row_of(FAULT, [CAUGHT, replace(CAUGHT, reported={"GRANT-4": ["fuzzing"]})])
    assert counts_of([scenarios, histories, both]) == {
        "caught": 3,
        "only by scenarios": 1,
        "only by histories": 1,
    }


def test_a_technique_is_known_by_the_scenario_module() -> None:
    made = document(
        Check("GRANT-2", "scenarios/test_sequences.py::test_x", Outcome.FAILED),
        Check("GRANT-1", "scenarios/test_grants.py::test_x", Outcome.WARNED),
        Check("GRANT-3", "scenarios/test_grants.py::test_x", Outcome.PASSED),
    )
    assert named(made.requirements) == {"GRANT-1": ["scenarios"], "GRANT-2": ["stateful test"]}
    assert technique_of("scenarios/test_histories.py::test_y[wallet]") is Technique.HISTORIES


def test_the_matrix_has_a_column_for_every_requirement_and_a_sign_for_every_case() -> None:
    row = row_of(FAULT, [replace(CAUGHT, reported={"GRANT-2": ["scenarios"], "ACK-1": ["x"]})])
    signs = {id: cell(row, id) for id in ("GRANT-2", "GRANT-4", "ACK-1", "GRANT-1")}
    assert signs == {"GRANT-2": NAMED, "GRANT-4": BROKEN, "ACK-1": FALSE_ACCUSATION, "GRANT-1": " "}
    assert list(by_family([row])) == list(dict.fromkeys(id.split("-")[0] for id in catalogue()))
    text = "\n".join(matrix([row]))
    assert text.count("`some-fault`") == 2


def test_a_journal_is_resumed_after_a_kill(tmp_path: Path) -> None:
    trial, path = Trial("some-fault", 1, full=True), tmp_path / "deep" / "journal.jsonl"
    Journal(path, full=True, resume=False).add(trial, CAUGHT)
    with path.open("a") as file:
        file.write('{"id": "some-fault", "seed": 2, "fu')

    resumed = Journal(path, full=True, resume=True)
    assert resumed.known == {trial: CAUGHT}

    later = Trial("some-fault", 3, full=True)
    resumed.add(later, replace(CAUGHT, seed=3))
    assert list(Journal(path, full=True, resume=True).known) == [trial, later]
    assert Journal(path, full=True, resume=False).known == {}


def test_a_journal_is_put_into_the_order_of_the_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, full=True, resume=False)
    expected = [replace(CAUGHT, id=id, seed=seed) for id in list(KNOWN)[:3] for seed in (1, 2)]
    for detection in reversed(expected):
        journal.add(Trial(detection.id, detection.seed, full=True), detection)
    assert read_journal(path)[1] == expected[::-1]
    journal.rewrite()
    assert read_journal(path)[1] == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"format": "kraty-conformance-detections", "suite": "of old"}\n', "another version"),
        ("[]\n", "not a journal"),
        ("", "not a journal"),
        (None, "another mode"),
    ],
)
def test_another_journal_is_refused(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path, full=False, resume=False)
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=reason):
        Journal(path, full=True, resume=True)


def test_the_table_replaces_only_what_is_between_the_markers(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    one = replace(CAUGHT, id="grant-race", reported={"GRANT-4": ["histories"]})
    Journal(journal, full=True, resume=False).add(Trial(one.id, one.seed, full=True), one)
    table = power_table(*read_journal(journal))

    page = with_table(f"# Mine\n\n{BEGIN}\nold\n{END}\nMine too\n", table)

    assert page.startswith(f"# Mine\n\n{BEGIN}\n")
    assert page.endswith(f"{END}\nMine too\n")
    for line in ("- mode: full", "- seeds: 1", f"- faults: 1 of {len(KNOWN)}, in 1 trials"):
        assert line in page.splitlines()
    assert "old" not in page
    assert with_table(page, table) == page
    with pytest.raises(UsageError):
        with_table("no markers", table)


def test_a_variant_is_tried_with_the_whole_suite_and_a_fault_with_its_requirement_first() -> None:
    assert selections(VARIANT, full=False) == selections(FAULT, full=True) == [[]]
    by_hand, generated = selections(FAULT, full=False)
    assert by_hand == ["--requirement", "GRANT-2", "-k", "not (generated or sequences)"]
    assert generated == ["--requirement", "GRANT-2", "-k", "generated or sequences"]


def no_results(command: Sequence[str]) -> tuple[int, str]:
    return 1, " ".join(command)


def no_file(command: Sequence[str]) -> tuple[int, str]:
    raise FileNotFoundError(2, "No such file or directory", command[0])


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (no_results, r"(?s)no results for grant-race:.* --seed 5 .*-n 0"),
        (no_file, r"grant-race: FileNotFoundError: .*No such file"),
    ],
)
def test_a_run_without_results_fails_the_trial(
    run: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Processes, "run", lambda _, command: run(command))
    with pytest.raises(RuntimeError, match=words):
        attempt(Trial("grant-race", 5), Processes())


def test_killed_processes_take_their_children_with_them(tmp_path: Path) -> None:
    processes, waits = Processes(), "sleep 600 & touch %s; wait"
    files = [tmp_path / "one", tmp_path / "two"]
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(processes.run, ["sh", "-c", waits % file]) for file in files]
        until(lambda: all(file.exists() for file in files))
        processes.kill()
        # A child that lived on would hold the pipe, and the wait would time out.
        assert [future.result(HANG) for future in running] == [(-9, "")] * 2
    with pytest.raises(RuntimeError, match="over"):
        processes.run(["true"])


def test_the_faults_are_listed() -> None:
    lines = CliRunner().invoke(main, ["faults"]).output.splitlines()
    assert len(lines) == len(KNOWN)
    assert any(line.startswith("grant-race") and "GRANT-4" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["faults", "run", "no-such"], "there is no fault 'no-such'"),
        (["faults", "run", "--variants", "grant-race"], "there is no variant 'grant-race'"),
        (["serve", "--fault", "no-such"], "there is no fault 'no-such'"),
    ],
)
def test_an_unknown_id_is_one_line_and_exit_2(arguments: list[str], line: str) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"kraty-conformance: {line}")
    assert done.stderr.count("\n") == 1


def test_the_suite_runs_on_a_variant(tmp_path: Path) -> None:
    done = command("run", "--fault", "no-nulls", "-k", "test_ping", "--reports", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads((tmp_path / "latest" / "results.json").read_text())
    assert made["target"]["name"] == "bundled reference server with no-nulls"


def test_a_campaign_names_a_fault(tmp_path: Path) -> None:
    journal = ["--journal", str(tmp_path / "journal.jsonl"), "-n", "1"]

    caught = command("faults", "run", "auth-session-code", "--json", *journal)

    assert caught.returncode == 0, caught.stderr
    document = json.loads(caught.stdout)
    assert document["counts"] == {"caught": 1, "only by scenarios": 1}
    assert document["rows"][0]["named"] == ["AUTH-2.code"]
    assert "auth-session-code, seed 1: named AUTH-2.code" in caught.stderr

    again = command("faults", "run", "auth-session-code", "--matrix", "--resume", *journal)

    assert again.returncode == 0, again.stderr
    assert "1 caught" in again.stdout
    assert "| `auth-session-code` |" in again.stdout


def test_a_served_fault_says_what_it_is() -> None:
    serve = [*COMMAND, "serve", "--port", "0", "--fault", "ping-shows-secret"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.terminate()
    assert lines[1] == "Deviation ping-shows-secret: Ping reports the whole key.\n"
