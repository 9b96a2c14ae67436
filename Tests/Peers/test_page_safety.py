"""The live page shows what strangers wrote, and does nothing of what they want."""

import json

import pytest
from agent import shell
from browser import badge
from playwright.sync_api import Error, expect

MARKUP = (
    '<img src="/nowhere" onerror="window.hit = 1"></script><script>window.hit = 1</script><svg onload="window.hit = 1">'
)
ADDRESS = "javascript:window.hit=1"
TURNED = "file\u202egnp.exe\u2066"
LONG = "x" * 20_000
HOSTILE = f"{MARKUP} {ADDRESS} {TURNED}"


def painter() -> dict:
    """Writes a picture, byte by byte as the format says, and what only claims to be one."""
    code = """
import struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
size, rows = 64, b"".join(b"\\0" + bytes([40, 90, 200]) * 64 for _ in range(64))
with open("picture.png", "wb") as file:
    file.write(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
               + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
bad = '<script>window.hit = 1</script><img src="/nowhere" onerror="window.hit = 1">'
svg = '<svg xmlns="http://www.w3.org/2000/svg" onload="window.hit = 1"><script>window.hit = 1</script></svg>'
for name, text in (("page.html", bad), ("drawing.svg", svg), ("liar.png", svg), ("<b>bold<b>.txt", "plain")):
    with open(name, "w") as file:
        file.write(text)
"""
    return {"steps": [{"id": "paint", "tool": "python", "with": {"code": code}}], "artifacts": ["*"]}


def is_untouched(page) -> None:
    """Nothing of it ran, and nothing of it became part of the page but text."""
    assert page.evaluate("window.hit") is None
    assert page.locator("main script, main iframe, main object, main embed, main [onerror], main [onload]").count() == 0
    assert page.locator('main img[src="/nowhere"], a[href^="javascript:"], main style, main form[action]').count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "something is wider than the page"


@pytest.mark.parametrize("width", [1280, 380])
def test_what_a_run_says_is_text_and_nothing_else(window, ada, width):
    said = """
        printf '%s\\n' "$TEXT" "$LONG"
        printf '\\033[31mred\\033[0m \\007bell\\n'
        printf '%s\\n' "$TEXT" >&2
        exit 1
    """
    step = {"id": "says", "tool": "shell", "with": {"command": said, "env": {"TEXT": HOSTILE, "LONG": LONG}}}
    metadata = {"title": HOSTILE, HOSTILE: [HOSTILE]}
    made = ada.create({"name": HOSTILE[:150], "steps": [step]}, metadata=metadata, agent=MARKUP)
    ada.wait(made)
    one = window(f"#/runs/{made}", ada, viewport={"width": width, "height": 900})
    page = one.page
    expect(badge(one)).to_have_text("failed")
    expect(page.locator(".stream")).to_have_text("Complete")
    page.locator('[data-step="says"] summary').click()
    expect(page.locator('[data-step="says"] .body')).to_contain_text(MARKUP)
    page.get_by_text("The plan as JSON").click()
    is_untouched(page)
    lines = page.locator(".lines .output .text").all_inner_texts()
    # What turns the direction of text, and what rings a bell, is named; what would colour a terminal is gone.
    named = HOSTILE.replace("\u202e", "\u27e8U+202E\u27e9").replace("\u2066", "\u27e8U+2066\u27e9")
    assert lines.count(named) == 2
    assert "red \u2407bell" in lines
    everything = page.locator("body").inner_text() + page.title()
    assert not any(character in everything for character in "\u202e\u2066\u001b\u0007")
    page.locator(".lines").get_by_role("button", name="more characters").first.click()
    is_untouched(page)

    page.get_by_role("link", name="Runs").click()
    expect(page.locator("tbody tr")).to_contain_text("<img src=")
    is_untouched(page)


def test_a_prompt_and_what_the_server_says_about_it_are_text_too(window, ada):
    made = ada.create(prompt=f"{HOSTILE}\n{HOSTILE}")
    one = window(f"#/runs/{made}", ada)
    expect(badge(one)).to_have_text("waiting")
    expect(one.page.locator(".ends-with")).to_contain_text(MARKUP)
    is_untouched(one.page)
    one.page.get_by_role("link", name="New run").click()
    one.page.get_by_label("Plan", exact=True).fill(json.dumps({MARKUP: 1, "steps": [{"id": "a", "tool": "noop"}]}))
    one.page.get_by_role("button", name="Create run").click()
    expect(one.page.get_by_role("alert").last).to_contain_text("<img src=")
    is_untouched(one.page)


def test_pictures_are_shown_and_everything_else_is_a_download(window, ada, tmp_path):
    run = ada.finished(painter())
    assert run["status"] == "completed", run["error"]
    one = window(f"#/runs/{run['run_id']}", ada)
    page = one.page
    files = page.locator(".files > li")
    expect(files).to_have_count(5)
    picture = page.locator('[data-file="picture.png"] img')
    expect(picture).to_be_visible()
    loaded = "async (image) => { await image.decode(); return [image.naturalWidth, image.src.slice(0, 5)]; }"
    assert picture.evaluate(loaded) == [64, "blob:"]
    # A type says what a file may be shown as; one that is something else is not shown at all.
    expect(page.locator('[data-file="liar.png"]')).to_contain_text("no image that can be shown")
    for name in ("page.html", "drawing.svg", "<b>bold<b>.txt"):
        item = files.filter(has=page.get_by_text(name, exact=True))
        assert item.locator("img").count() == 0
        place = page.url
        with page.expect_download() as saved:
            item.get_by_role("button", name="Download").click()
        artifact = next(found for found in run["artifacts"]["items"] if found["path"] == name)
        saved.value.save_as(tmp_path / "saved")
        assert (tmp_path / "saved").read_bytes() == ada.http.get(artifact["url"]).content
        assert page.url == place
    assert len(one.context.pages) == 1
    is_untouched(page)


def test_the_policy_holds_against_a_script_that_got_in(window, ada):
    """What the tests listen for would be heard: here it is made to happen."""
    one = window("#/new", ada)
    page = one.page
    for wrong in (
        "document.body.innerHTML = '<b>x</b>'",
        "document.body.insertAdjacentHTML('beforeend', '<b>x</b>')",
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hit = 1'}))",
    ):
        with pytest.raises(Error):
            page.evaluate(f"() => {{ {wrong} }}")
    # What a test evaluates is let through, so the attempt comes a moment later.
    attempt = "try { Function('window.hit = 1')(); done('ran'); } catch { done('stopped'); }"
    assert page.evaluate(f"() => new Promise((done) => setTimeout(() => {{ {attempt} }}))") == "stopped"
    page.evaluate("() => { document.body.setAttribute('style', 'color: red') }")
    answer = page.evaluate("() => fetch('https://example.com/').then(() => 'sent', () => 'stopped')")
    assert answer == "stopped"
    assert page.evaluate("window.hit") is None
    heard = " ".join(page.evaluate("window.violations"))
    for directive in ("require-trusted-types-for", "connect-src", "style-src"):
        assert directive in heard
    assert one.faults, "the browser says it to whoever looks into its console, too"
    one.faults.clear()
    page.evaluate("() => { window.violations = [] }")
    one.asked = [url for url in one.asked if "example.com" not in url]


def test_another_site_cannot_put_the_page_into_a_frame(window, stack):
    one = window()
    framing = one.context.new_page()
    around = f'<iframe src="{stack.url}/"></iframe>'
    framing.route("http://other.example/", lambda route: route.fulfill(content_type="text/html", body=around))
    framing.goto("http://other.example/")
    frame = framing.frames[1]
    assert frame.locator("#main").count() == 0
    framing.close()
