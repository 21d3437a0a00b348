"""Uses a portal as a developer does, in Chromium by its DevTools: `portal.py PORT URL [PICTURES]`.

At the width of a phone and of a desk it looks whether the page fits; it searches for an operation, tries one,
and prints what it saw as JSON. With a folder it puts pictures there.
"""

import asyncio
import base64
import json
import sys
import urllib.request

import websockets

PATIENCE = 30


class Page:
    """A page, driven by its DevTools."""

    def __init__(self, socket):
        self.socket, self.number = socket, 0

    async def send(self, method, **params):
        self.number += 1
        await self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            said = json.loads(await self.socket.recv())
            if said.get("id") == self.number:
                if "error" in said:
                    sys.exit(f"{method}: {said['error']}")
                return said["result"]

    async def eval(self, text):
        said = await self.send("Runtime.evaluate", expression=text, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in said:
            sys.exit(f"{text}: {said['exceptionDetails']}")
        return said["result"].get("value")

    async def until(self, text):
        """Waits until an expression is true of the page; what it is."""
        for _ in range(PATIENCE * 20):
            if value := await self.eval(text):
                return value
            await asyncio.sleep(0.05)
        sys.exit(f"never: {text}\n{await self.eval('document.body.innerText')}")

    async def key(self, key, **more):
        for kind in ("keyDown", "keyUp"):
            await self.send("Input.dispatchKeyEvent", type=kind, key=key, **more)

    async def width(self, width, height, phone):
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )

    async def picture(self, name):
        if len(sys.argv) > 3:
            shot = await self.send("Page.captureScreenshot")
            with open(f"{sys.argv[3]}/{name}.png", "wb") as file:
                file.write(base64.b64decode(shot["data"]))


# A button that is seen and has this text or label.
BUTTON = """[...document.querySelectorAll('button')].find(it => it.checkVisibility() &&
    ((it.innerText || '') + (it.ariaLabel || '')).includes(%s))"""


# What the client shows of the answer.
ANSWER = "(document.querySelector('[role=dialog]')?.innerText || '')"


async def press(page, text):
    await page.until(f"!!({BUTTON % json.dumps(text)})")
    await page.eval(f"({BUTTON % json.dumps(text)}).click()")


async def main():
    port, url = sys.argv[1:3]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
        pages = json.load(answer)
    place = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
    async with websockets.connect(place, max_size=None) as socket:
        page, seen = Page(socket), {}
        for name, width, height in (("phone", 390, 844), ("desk", 1280, 900)):
            await page.width(width, height, name == "phone")
            await page.send("Page.navigate", url=url)
            await page.until("document.body && document.body.innerText.includes('All orders')")
            # Fonts and styles have come.
            await page.eval("document.fonts.ready.then(() => new Promise(done => setTimeout(done, 300)))")
            seen[name] = await page.eval("document.scrollingElement.scrollWidth <= innerWidth")
            await page.picture(name)
        await press(page, "Open Search")
        await page.until("document.activeElement.tagName == 'INPUT'")
        await page.send("Input.insertText", text="new order")
        await page.until("[...document.querySelectorAll('[role=option]')].length > 0")
        seen["found"] = await page.eval("document.querySelector('[role=option]').innerText")
        await page.picture("search")
        await page.key("Escape", windowsVirtualKeyCode=27)
        await press(page, "(get /orders)")
        await press(page, "Send")
        await page.until(f"{ANSWER}.includes('200')")
        seen["answer"] = await page.eval(ANSWER)
        await page.picture("tried")
        print(json.dumps(seen))


asyncio.run(asyncio.wait_for(main(), 2 * PATIENCE))
