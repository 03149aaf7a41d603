"""`report.html` in a real browser: filters, links, copying, hostile text, accessibility."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect, sync_playwright
from test_report import NASTY, document, exchange, failed

from conformance.contract.requirements import catalogue
from conformance.report.html import render_html
from conformance.results.check import Check, Outcome
from conformance.results.evidence import ShownExchange

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser is installed: none of {', '.join(BROWSERS)} is on the path"
)
MEGABYTES = 1_000_000
HOSTILE = '<script>window.pwned = 1</script><img src=x onerror="window.pwned = 1">'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which nothing may go wrong, and which may ask for nothing but itself."""
    context = browser.new_context()
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(f"console: {message.text}"))
    opened.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    opened.on(
        "request",
        lambda sent: None if sent.url.startswith("file:") else complaints.append(sent.url),
    )
    yield opened
    context.close()
    assert complaints == []


def shown(page: Page, tmp_path: Path, *checks: Check, link: str = "") -> Page:
    """The page of a run that made these checks."""
    file = tmp_path / "report.html"
    file.write_text(render_html(document(*checks)), encoding="utf-8")
    page.goto(f"file://{file}{link}")
    return page


def failing(
    requirement: str, sent: ShownExchange, expected: str = "a", received: str = "b", count: int = 1
) -> Check:
    """A failed check with this exchange, or so many of it."""
    fields = (requirement, "t", Outcome.FAILED, "m", expected, received)
    return Check(*fields, exchanges=(sent,) * count)


SOME = (
    failed("GRANT-2"),
    Check("GRANT-1", "scenarios/test_grants.py::test_needle", Outcome.PASSED),
    Check("MIG-9", "scenarios/test_imports.py::test_z", Outcome.WARNED, "expected a; received b"),
)


def requirements(page: Page) -> list[str]:
    """The ids of the requirements that can be seen."""
    rows = page.locator("details.requirement:visible")
    return [str(row.get_attribute("id")) for row in rows.all()]


def test_the_verdict_is_the_heading_and_what_did_not_pass_comes_first(
    page: Page, tmp_path: Path
) -> None:
    shown(page, tmp_path, *SOME)
    assert "not conformant" in page.locator("h1").inner_text()
    assert requirements(page)[:2] == ["GRANT-2", "MIG-9"]
    assert page.locator("#GRANT-2").get_attribute("open") is not None


@pytest.mark.parametrize(
    ("control", "value", "expected"),
    [
        ("outcome", "failed", ["GRANT-2"]),
        ("outcome", "warned", ["MIG-9"]),
        ("level", "SHOULD", [id for id, r in catalogue().items() if r.level == "SHOULD"]),
        ("family", "PING", ["PING-1", "PING-2"]),
    ],
)
def test_a_filter_leaves_what_it_names(
    control: str, value: str, expected: list[str], page: Page, tmp_path: Path
) -> None:
    shown(page, tmp_path, *SOME)
    page.locator(f"#{control}").select_option(value)
    assert sorted(requirements(page)) == sorted(expected)
    assert page.locator("#shown").inner_text() == f"{len(expected)} of {len(catalogue())}"

    page.get_by_role("button", name="Reset").click()
    expect(page.locator("#shown")).to_contain_text(f"{len(catalogue())} of")
    assert len(requirements(page)) == len(catalogue())


def test_an_operation_leaves_what_is_about_it_or_about_all(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, *SOME)
    page.locator("#operation").select_option("ping")
    found = requirements(page)
    assert {"PING-1", "AUTH-1"} <= set(found)
    assert "GRANT-2" not in found


def test_the_search_finds_words_anywhere_and_slash_leads_to_it(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, *SOME)
    page.keyboard.press("/")
    page.keyboard.type("needle")
    assert requirements(page) == ["GRANT-1"]
    page.locator("#search").fill("no such word")
    assert requirements(page) == []


def test_a_deep_link_opens_its_requirement(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, *SOME, link="#PING-2")
    assert page.locator("#PING-2").get_attribute("open") is not None


def test_a_cell_of_the_matrix_is_reached_and_opened_by_keyboard(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, *SOME)
    page.locator("#outcome").select_option("failed")
    page.locator('a[data-for="DEL-7"]').focus()
    page.keyboard.press("Enter")
    expect(page.locator("#DEL-7")).to_have_attribute("open", "")
    assert page.evaluate("document.activeElement.closest('details').id") == "DEL-7"


def test_copying_takes_the_command(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, *SOME)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    evidence = page.locator("#GRANT-2 details.exchange").first
    evidence.locator("summary").click()
    evidence.locator("button.copy").click()
    expect(evidence.locator("button.copy")).not_to_have_text("copy")
    taken = page.evaluate("navigator.clipboard.readText()")
    assert taken == "curl -i"


def test_what_differs_is_marked(page: Page, tmp_path: Path) -> None:
    sent = exchange(response_body='{"data": {"kind": "reward", "id": "g"}}')
    shown(page, tmp_path, failing("GRANT-1", sent, "kind 'crate'", "kind 'reward'"))
    assert page.locator("mark:visible").count() == 0  # the exchange is closed
    page.locator("#GRANT-1 details.exchange").first.locator("summary").click()
    assert [text.strip() for text in page.locator("mark").all_inner_texts()] == [
        '"kind": "reward",'
    ]


def test_equal_failures_are_shown_once_with_the_tests_behind_them(
    page: Page, tmp_path: Path
) -> None:
    many = [msgspec.structs.replace(failed(), test=f"test_{n}") for n in range(183)]
    blocked = [Check("ACK-2", f"t{n}", Outcome.BLOCKED, "m", blamed="GRANT-2") for n in range(9)]
    shown(page, tmp_path, *many, *blocked)
    row = page.locator("#GRANT-2")
    assert row.locator("div.check").count() == 1
    expect(row.locator("div.check")).to_contain_text("test_0, and 182 more like it")
    row.locator("summary", has_text="All 183 tests").click()
    expect(row.get_by_text("test_182").first).to_be_visible()
    expect(page.locator("header")).to_contain_text("begin with GRANT-2: 9 tests wait for it")


def test_requests_of_one_moment_are_one_line(page: Page, tmp_path: Path) -> None:
    sent = [exchange(status=200)] * 13 + [exchange(status=409)] * 3
    shown(page, tmp_path, msgspec.structs.replace(failed(), exchanges=tuple(sent)))
    lines = page.locator("#GRANT-2 div.check > details.exchange > summary")
    expect(lines.first).to_contain_text("16 at once: 200 ×13, 409 ×3")
    lines.first.click()
    assert page.locator("#GRANT-2 details.exchange details.exchange:visible").count() == 16


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_no_serious_barrier(scheme: str, page: Page, tmp_path: Path) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    shown(page, tmp_path, *SOME)
    for details in page.locator("details").all():
        details.evaluate("each => { each.open = true }")
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


def test_it_is_dark_where_the_reader_wants_it_dark(page: Page, tmp_path: Path) -> None:
    colours = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        shown(page, tmp_path, *SOME)
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]


@pytest.mark.parametrize(
    "text", [HOSTILE, NASTY, "\x00\x1b[31m\u202e", "\ud800", "</pre></script>" * 50], ids=ascii
)
def test_whatever_a_server_sent_is_text(text: str, page: Page, tmp_path: Path) -> None:
    sent = exchange(
        response_body=text,
        response_headers=(("x-" + text[:20], text),),
        target="/" + text,
        error=text,
    )
    check = Check("GRANT-2", text, Outcome.FAILED, text, text, text, exchanges=(sent,))
    file = tmp_path / "report.html"
    made = document(check)
    target = msgspec.structs.replace(made.target, name=text)
    made = msgspec.structs.replace(made, target=target, notices=(text,))
    file.write_text(render_html(made), encoding="utf-8", errors="backslashreplace")

    page.goto(f"file://{file}")

    assert page.evaluate("window.pwned") is None
    assert page.locator("script").count() == 1
    assert page.locator("img").count() == 0
    assert "\x1b" not in page.content()
    assert "\u202e" not in page.content()


def test_a_body_of_ten_megabytes_is_cut() -> None:
    body = '{"data": "' + "x" * 10 * MEGABYTES + '"}'
    page = render_html(document(failed(), failing("ACK-1", exchange(response_body=body))))
    assert len(page) < MEGABYTES
    assert "the whole is in exchanges.har" in page


def test_a_passing_run_is_under_two_megabytes() -> None:
    ids = list(catalogue())
    checks = [
        Check(ids[n % len(ids)], f"scenarios/test_ledgers.py::test_{n}[wallet]", Outcome.PASSED)
        for n in range(3000)
    ]
    assert len(render_html(document(*checks)).encode()) < 2 * MEGABYTES


def test_five_hundred_failures_can_be_read(page: Page, tmp_path: Path) -> None:
    ids = [id for id, row in catalogue().items() if row.level == "MUST"]
    sent = exchange(response_body="y" * 4000)
    many = [
        replace(failing(ids[n % len(ids)], sent, count=30), test=f"scenarios/test_x.py::test_{n}")
        for n in range(500)
    ]
    shown(page, tmp_path, *many)
    assert (tmp_path / "report.html").stat().st_size < 40 * MEGABYTES
    page.locator("#search").fill("test_477")
    assert requirements(page) == [ids[477 % len(ids)]]
