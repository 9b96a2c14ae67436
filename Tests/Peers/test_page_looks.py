"""The live page by keyboard alone, in both themes, on a phone; and the pictures of it in the manual.

SIMPLON_WRITE_SNAPSHOTS=1 takes the pictures anew.
"""

import os

import pytest
import yaml
from agent import noop, shell
from browser import Window, badge, bearer
from playwright.sync_api import expect
from stack import REPOSITORY

IMAGES = REPOSITORY / "docs/images"
MOST = 150_000  # bytes of a picture
EXAMPLE = REPOSITORY / "examples/dataset-report"
# The texts that can be seen in such places, each with its contrast with what lies behind it, by WCAG 2.2, "contrast ratio".
# All in one go: between two, the page may have changed.
CONTRASTS = """
(places) => {
  const paint = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (color, under) => {
    paint.fillStyle = `rgb(${under.join(' ')})`;
    paint.fillRect(0, 0, 1, 1);
    paint.fillStyle = color;
    paint.fillRect(0, 0, 1, 1);
    return Array.from(paint.getImageData(0, 0, 1, 1).data.slice(0, 3));
  };
  const light = (parts) => {
    const [r, g, b] = parts.map((part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (element) => {
    const layers = [];
    for (let node = element; node; node = node.parentElement) layers.unshift(getComputedStyle(node).backgroundColor);
    const behind = layers.reduce((under, color) => rgb(color, under), [255, 255, 255]);
    const [low, high] = [light(behind), light(rgb(getComputedStyle(element).color, behind))].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  return [...document.querySelectorAll(places)].filter((it) => it.checkVisibility() && it.innerText?.trim())
    .map((it) => [contrast(it), it.outerHTML.slice(0, 200)]);
}
"""
# Whether what has the focus shows it.
SEEN = """
() => {
  const node = document.activeElement;
  const looks = getComputedStyle(node.querySelector('rect') ?? node);
  return node === document.body || looks.outlineStyle !== 'none' || Number.parseFloat(looks.strokeWidth) > 2;
}
"""
# What a screen reader could call by no name.
NAMELESS = """
() => [...document.querySelectorAll('button, a, input, textarea, [role=button], section')]
  .filter((it) => !(it.textContent.trim() || it.ariaLabel || it.labels?.length || it.getAttribute('aria-labelledby')))
  .map((it) => it.outerHTML)
"""
PLACES = ".muted, .badge, h1, h2, button:not(:disabled), a, td, .text, .at, .from, .mark, dt, dd, p, label, textarea"


@pytest.fixture
def report(ada) -> str:
    """The example's run."""
    plan = yaml.safe_load((EXAMPLE / "plan.yaml").read_text())
    data = {
        "id": "attach-1",
        "tool": "files",
        "with": {"op": "write", "path": "elnino.csv", "content": (EXAMPLE / "elnino.csv").read_text()},
    }
    plan["steps"][0]["needs"] = ["attach-1"]
    run = ada.finished(plan | {"steps": [data, *plan["steps"]]}, metadata={"title": "The sea off Peru"})
    assert run["status"] == "completed", run["error"]
    return run["run_id"]


def focused(window: Window) -> str:
    """What has the focus: its id, its data or its text."""
    return window.page.evaluate(
        "() => { const node = document.activeElement; return node.id || node.dataset.node || node.textContent.trim(); }"
    )


def tab_to(window: Window, text: str, key: str = "Tab") -> None:
    """Presses Tab until something has the focus."""
    for _ in range(60):
        if text in focused(window):
            return
        window.page.keyboard.press(key)
    raise AssertionError(f"Tab never came to {text}; it ended at {focused(window)}")


def test_everything_can_be_done_by_keyboard(window, ada):
    second = {"id": "second", "tool": "shell", "needs": ["first"], "with": {"command": "echo said"}}
    steps = [{"id": "first", "tool": "noop"}, second]
    ada.finished({"name": "by keys", "steps": steps}, metadata={"title": "by keys"})
    one = window()
    page, press = one.page, one.page.keyboard.press
    expect(page.get_by_label("Token or key")).to_be_focused()
    page.keyboard.insert_text(bearer(ada))
    press("Enter")
    expect(page.get_by_role("heading", name="Runs")).to_be_focused()
    # The skip link is before all else, is seen when it has the focus, and leads to the content.
    expect(page.locator("#skip")).not_to_be_in_viewport()
    tab_to(one, "skip", "Shift+Tab")
    expect(page.locator("#skip")).to_be_in_viewport()
    press("Enter")
    expect(page.locator("main")).to_be_focused()
    assert page.evaluate("location.hash") == ""
    tab_to(one, "by keys")
    press("Enter")
    expect(page.get_by_role("heading", name="by keys")).to_be_focused()
    expect(badge(one)).to_have_text("completed")
    tab_to(one, "first")
    press("ArrowRight")
    assert focused(one) == "second"
    press("Enter")
    expect(page.locator('[data-step="second"] summary')).to_be_focused()
    expect(page.locator('[data-step="second"] .body')).to_contain_text("said")
    press("Enter")
    expect(page.locator('[data-step="second"] details')).not_to_have_attribute("open", "")
    # The log can be scrolled, so it can be reached.
    for _ in range(60):
        if page.evaluate("document.activeElement.classList.contains('scroll')"):
            break
        press("Tab")
    expect(page.get_by_role("region", name="Lines of the log")).to_be_focused()
    # And whatever has the focus shows it.
    page.evaluate("() => document.activeElement.blur()")
    for _ in range(12):
        press("Tab")
        assert page.evaluate(SEEN), focused(one)


def test_the_page_has_landmarks_names_and_one_first_heading(window, ada):
    run = ada.finished({**shell("echo said; echo kept > kept.txt"), "artifacts": ["*.txt"]})["run_id"]
    one = window(caller=ada)
    for place, title in (("#/", "Runs"), (f"#/runs/{run}", "Run"), ("#/new", "New run")):
        one.page.goto(f"{one.url}/{place}")
        expect(one.page.get_by_role("heading", level=1)).to_contain_text(title)
        for landmark in ("banner", "main"):
            expect(one.page.get_by_role(landmark)).to_have_count(1)
        expect(one.page.get_by_role("navigation", name="Main")).to_have_count(1)
        assert one.page.evaluate(NAMELESS) == []
        ids = one.page.evaluate("() => [...document.querySelectorAll('[id]')].map((node) => node.id)")
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read_in_both_themes(window, ada, theme):
    plan = {"steps": [{"id": "a", "tool": "shell", "with": {"command": "echo out; echo wrong >&2; exit 1"}}]}
    run = ada.finished(plan)["run_id"]
    ada.create(prompt="x")
    ada.create(noop(1), start=False)
    one = window(caller=ada, color_scheme=theme)
    back = one.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, back[4:-1].split(","))) < 200) == (theme == "dark")
    for place in ("#/", f"#/runs/{run}", "#/new"):
        one.page.goto(f"{one.url}/{place}")
        expect(one.page.get_by_role("heading", level=1)).to_be_visible()
        if "runs" in place:
            expect(one.page.locator(".stream")).to_have_text("Complete")
            one.page.locator('[data-step="a"] summary').click()
        if place == "#/new":
            one.page.get_by_text("Limits", exact=True).click()
        texts = one.page.evaluate(CONTRASTS, PLACES)
        assert texts
        for contrast, element in texts:
            assert contrast >= 4.5, f"{contrast:.2f} at {place}: {element}"


def test_it_fits_a_phone_and_the_graph_goes_down(window, ada, report):
    one = window(caller=ada, viewport={"width": 360, "height": 740})
    for place in ("#/", "#/new", f"#/runs/{report}"):
        one.page.goto(f"{one.url}/{place}")
        expect(one.page.get_by_role("heading", level=1)).to_be_visible()
        if "runs" in place:
            expect(one.page.locator(".stream")).to_have_text("Complete")
        assert one.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place
    above, below = (one.page.locator(f'[data-node="{name}"]').bounding_box() for name in ("read", "report"))
    assert above["y"] < below["y"]


def test_the_manual_shows_pictures_of_the_page(window, report, ada):
    """Where the flag is not set: that they are there, and small."""
    names = ["door-light", "runs-light", "run-light", "run-dark", "run-narrow", "new-light"]
    if os.environ.get("SIMPLON_WRITE_SNAPSHOTS"):
        IMAGES.mkdir(exist_ok=True)
        take(window, ada, report)
    for name in names:
        picture = (IMAGES / f"page-{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG") and len(picture) < MOST, name


def take(window, ada, report: str) -> None:
    ada.create(noop(2), start=False, metadata={"title": "Nightly import"})
    ada.create(prompt="Summarise the anomalies of the last ten years")
    ada.finished({"name": "x", **shell("echo half; exit 3")}, metadata={"title": "Check the feeds"})
    ada.create(shell("for n in $(seq 600); do echo tick $n; sleep 0.5; done"), metadata={"title": "Watch the gauge"})
    quiet = {"reduced_motion": "reduce"}
    door = window(viewport={"width": 900, "height": 520}, **quiet)
    expect(door.page.get_by_label("Token or key")).to_be_focused()
    door.page.screenshot(path=IMAGES / "page-door-light.png")

    def shot(name: str, place: str, width: int, height: int, theme: str = "light") -> None:
        one = window(place, ada, viewport={"width": width, "height": height}, color_scheme=theme, **quiet)
        if "runs/" in place:
            expect(one.page.locator(".stream")).to_have_text("Complete")
        else:
            expect(one.page.locator("h1")).to_be_visible()
        if place == "":
            expect(one.page.locator("tbody tr").first).to_contain_text("running")
        one.page.mouse.move(0, 0)
        one.page.screenshot(path=IMAGES / f"page-{name}.png")

    shot("runs-light", "", 1100, 520)
    shot("run-light", f"#/runs/{report}", 1240, 760)
    shot("run-dark", f"#/runs/{report}", 1240, 760, "dark")
    shot("run-narrow", f"#/runs/{report}", 390, 844)
    shot("new-light", "#/new", 900, 760)
