"""A person at Label Studio in a real browser: what follows is done with mouse and keyboard only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = "/usr/bin/chromium"
"""Debian's browser; Playwright brings only the means to drive it."""

_TEXT = ".lsf-richtext__container"

# The whole text, and for each of the places asked for (code points): left and right edge and
# middle line of the character there, in the window's pixels.
_LOOK = """(places) => {
  const wanted = new Set(places), boxes = {};
  let text = '', count = 0;
  const walk = document.createTreeWalker(
    document.querySelector('.lsf-richtext__container'),
    NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node; (node = walk.nextNode()); ) {
    if (node.nodeName === 'BR') { text += '\\n'; count += 1; }
    if (node.nodeType !== Node.TEXT_NODE) continue;
    let at = 0;
    for (const character of node.data) {
      if (wanted.has(count)) {
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + character.length);
        const box = range.getClientRects()[0];
        boxes[count] = [box.left, box.right, (box.top + box.bottom) / 2];
      }
      at += character.length;
      count += 1;
    }
    text += node.data;
  }
  return [text, places.map(place => boxes[place])];
}"""


class Place(NamedTuple):
    """Where a character stands in the window, in pixels."""

    left: float
    right: float
    middle: float


@contextmanager
def open_chromium() -> Iterator["Browser"]:
    """Debian's Chromium without a window."""
    from playwright.sync_api import sync_playwright

    quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        try:
            yield browser
        finally:
            browser.close()


class StudioPage:
    """The window of one user. Offsets are code points of the task's text."""

    def __init__(self, page: "Page", url: str) -> None:
        self.page, self.url = page, url

    def log_in(self, email: str, password: str) -> None:
        self.page.goto(f"{self.url}/user/login/")
        self.page.fill("input[name=email]", email)
        self.page.fill("input[name=password]", password)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(lambda address: "/login" not in address)

    def open_task(self, address: str, text: str) -> None:
        """Open a task and wait until it shows `text` with its pre-labels and may be changed."""
        self.page.goto(address)
        self.page.wait_for_selector(f"{_TEXT} .lsf-richtext__line")
        self.page.get_by_label("Submit current annotation").wait_for()
        self.page.wait_for_load_state("networkidle")
        shown = self.page.evaluate(_LOOK, [])[0]
        assert shown == text, f"the page shows {shown!r}"

    def draw(self, hotkey: str, start: int, end: int) -> None:
        """Press a label's key, then draw with the mouse from one character to another."""
        self.page.keyboard.press(hotkey)
        self._scroll_to(start)
        first, last = self._look(start, end - 1)
        self._drag(first.left + 0.5, first.middle, last.right - 0.5, last.middle)

    def select(self, place: int) -> None:
        """Click on a character; the innermost region there is then the chosen one."""
        self._scroll_to(place)
        (character,) = self._look(place)
        self.page.mouse.click((character.left + character.right) / 2, character.middle)
        self.page.wait_for_selector(f"{_TEXT} area >> nth=1", state="attached")

    def move_end(self, place: int, end: int) -> None:
        """Choose the region at `place` and pull its right border behind the character before
        `end`."""
        self._move(place, -1, end - 1)

    def move_start(self, place: int, start: int) -> None:
        """Choose the region at `place` and pull its left border before the character `start`."""
        self._move(place, 0, start)

    def delete(self, place: int) -> None:
        self.select(place)
        self.page.keyboard.press("Backspace")

    def submit(self, button: bool = False) -> None:
        """Submit by the keys for it or the button, and wait until the server has it."""
        with self.page.expect_response(
            lambda answer: answer.request.method == "POST" and "/annotations" in answer.url
        ) as submitted:
            if button:
                self.page.get_by_label("Submit current annotation").click()
            else:
                self.page.keyboard.press("Control+Enter")
        assert submitted.value.status == 201

    def _move(self, place: int, handle: int, character: int) -> None:
        self.select(place)
        box = self.page.locator(f"{_TEXT} area").nth(handle).bounding_box()
        assert box is not None
        (at,) = self._look(character)
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self._drag(x, y, at.left + 0.5 if handle == 0 else at.right - 0.5, at.middle)
        self.page.keyboard.press("Escape")

    def _look(self, *places: int) -> list[Place]:
        return [Place(*box) for box in self.page.evaluate(_LOOK, list(places))[1]]

    def _scroll_to(self, place: int) -> None:
        """Bring a character to the middle of the window."""
        height = self.page.viewport_size["height"]  # type: ignore[index]
        for _ in range(3):
            middle = self._look(place)[0].middle
            if height * 0.2 < middle < height * 0.8:
                return
            self.page.mouse.move(400, height / 2)
            self.page.mouse.wheel(0, middle - height / 2)
            self.page.wait_for_timeout(150)

    def _drag(self, x: float, y: float, to_x: float, to_y: float) -> None:
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move((x + to_x) / 2, (y + to_y) / 2)
        mouse.move(to_x, to_y)
        mouse.up()
