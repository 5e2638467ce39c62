"""What the finished site is like around its text: light, steady, safe, for everyone, found, printed.

The pages are those of `make book`; a browser opens them where Playwright and Chromium are there.
"""

import gzip
import re

import pytest
from booktools import finish, head, interface, project
from bs4 import BeautifulSoup
from conftest import served

import softmax_lib as sl

SITE = project.ROOT / "_build/html"
LONGEST = "training-framework"
ADDRESSES = [f"{folder}{page}.html" for folder in ("", "vi/", "zh/") for page in (LONGEST, "other-frameworks", "index", "glossary", "library", "references", "search")]

needs_site = pytest.mark.skipif(not (SITE / "sitemap.xml").exists(), reason="There is no finished site: run make book first.")


# ---- the tools


def test_dropdowns_become_details():
    admonition = '<div class="note dropdown admonition" id="a">\n\n<p class="admonition-title">A <a href="#">b</a></p><div><p>c</p></div></div>'
    folded = '<details class="note dropdown admonition" id="a">\n\n<summary class="admonition-title">A b</summary><div><p>c</p></div></details>'
    assert head.fold(f"<div>{admonition}</div>{admonition}") == f"<div>{folded}</div>{folded}"
    plain = admonition.replace("dropdown ", "")
    assert head.fold(plain) == plain


def test_the_style_sheet_keeps_what_pages_use(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.css").write_text(
        '@import "sub/b.css"; .x, .gone { color: var(--x) } :root { --x: red; --lost: var(--loster); --loster: 1 } p:not(.none) { top: 0 }'
        "@media print { .gone { left: 0 } #i::after { left: 0 } } .made { top: 1px } video { top: 2px }"
    )
    (tmp_path / "sub/b.css").write_text("b { background: url(c.png) }")
    made = finish.style_sheet(tmp_path, ["a.css"], ['<b class="x"><p id="i">'], ['add("made")']).replace(" ", "").split("\n")
    assert [line for line in made if line] == [
        "b{background:url(sub/c.png)}", ".x{color:var(--x)}", ":root{--x:red;}", "p:not(.none){top:0}",
        "@mediaprint{#i::after{left:0}", "}", ".made{top:1px}",
    ]  # fmt: skip


# ---- what search engines and lost readers see


@needs_site
def test_every_page_says_what_it_is():
    for edition in project.editions():
        for page in project.pages():
            path = SITE / ("" if edition == "en" else edition) / f"{page}.html"
            soup = BeautifulSoup(path.read_text("utf-8"), "html.parser")
            said = {meta.get("name") or meta.get("property"): meta["content"] for meta in soup.select("head meta[content]")}
            assert 20 < len(said["description"]) <= 200 and said["og:description"] == said["description"], path
            assert len(soup.select("meta[name=viewport]")) == len(soup.select("title")) == 1
            book = project.editions()[edition]["html_title"]
            assert soup.title.text == said["og:title"] and soup.title.text.count(book) == 1
            picture = SITE / said["og:image"].removeprefix(project.setting("html", "baseurl"))
            assert picture.stat().st_size < 40_000
            ask = soup.select_one(".ask a")["href"]
            assert ask.startswith(f"{project.repository()}/issues/new?") and f"{page}.html" in ask and f"%5B{edition}%5D" in ask
            assert not soup.select("script:not([src]), [onclick], [onload]")


@needs_site
def test_map_and_page_for_lost_readers():
    base = project.setting("html", "baseurl")
    urls = re.findall("<loc>(.*?)</loc>", (SITE / "sitemap.xml").read_text("utf-8"))
    assert len(urls) == len(set(urls)) == len(project.editions()) * len(project.pages())
    lost = BeautifulSoup((SITE / "404.html").read_text("utf-8"), "html.parser")
    assert {p["lang"] for p in lost.select("p[lang]")} == {"en", "vi", "zh-CN"} and len({p.text for p in lost.select("p")}) == 3
    for url in urls + [link["href"] for link in lost.select("[href]")]:
        path = SITE / url.removeprefix(base)
        assert url.startswith(base) and (path.exists() if url != base else True), url


# ---- in a browser


@pytest.fixture(scope="module")
def server():
    with served(SITE) as address:
        yield address


@pytest.fixture
def opened(browser, server):
    """Opens pages; notes what they load and complain about."""
    contexts = []

    def open_page(address, width=1280, html=None, **settings):
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, **settings))
        page = contexts[-1].new_page()
        page.loaded, page.complaints = [], []
        page.on("request", lambda request: page.loaded.append(request.url))
        page.on("console", lambda message: message.type in ("error", "warning") and page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("requestfailed", lambda request: page.complaints.append(request.url))
        if html:
            page.route(server + address, lambda route: route.fulfill(body=html, content_type="text/html"))
        page.goto(server + address if "://" not in address else address, wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()


LAY_OUT = "document.querySelectorAll('section').forEach((part) => part.style.contentVisibility = 'visible')"  # as if on the screen


@needs_site
@pytest.mark.parametrize("folder", ["", "vi/", "zh/"])
def test_names_of_the_library_lead_to_the_cells_that_define_them(folder):
    soup = BeautifulSoup((SITE / folder / "library.html").read_text("utf-8"), "html.parser")
    linked = {link.get_text().split("(")[0]: link["href"] for link in soup.select('article dt a[href*="#softmax_lib."]')}
    saved = {name for name in sl.__all__ if re.match(r"softmax_lib\.[a-z]", getattr(getattr(sl, name), "__module__", ""))}
    assert len(saved) > 30 and saved - set(linked) == {"Point"}  # which only Animator draws
    assert all(href.endswith(f"#softmax_lib.{name}") for name, href in linked.items() if name in saved)


@needs_site
def test_no_page_is_wider_than_a_small_screen(browser):
    page = browser.new_page(viewport={"width": 320, "height": 800})
    pages = [SITE / interface.folder(edition) / f"{name}.html" for edition in project.editions() for name in project.pages()]
    wide = []
    for path in pages:
        page.goto(path.as_uri())
        page.evaluate(LAY_OUT)
        page.evaluate("document.querySelectorAll('details').forEach((fold) => fold.open = true)")
        if page.evaluate("document.documentElement.scrollWidth") > 320:
            wide.append(str(path.relative_to(SITE)))
    assert wide == []


@needs_site
@pytest.mark.parametrize("address", ADDRESSES)
def test_for_everyone(opened, server, address):
    axe_core = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed.")
    page = opened(address, width=390 if address.startswith("vi") else 1280, bypass_csp=True,
                  color_scheme="dark" if address.startswith("zh") else "light")
    assert page.complaints == [] and not [url for url in page.loaded if not url.startswith((server, "data:"))]
    page.evaluate(LAY_OUT)
    found = axe_core.Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]}).response
    assert [(rule["id"], [node["html"][:120] for node in rule["nodes"][:3]]) for rule in found["violations"]] == []
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    for _ in range(12):
        page.keyboard.press("Tab")
        shown = page.evaluate("(({outlineStyle, outlineWidth}) => outlineStyle + outlineWidth)(getComputedStyle(document.activeElement))")
        place = page.evaluate("document.activeElement.outerHTML.slice(0, 100)")
        assert place.startswith("<body") or shown.startswith("solid") and not shown.endswith("d0px"), place


@needs_site
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("name", ["softmax-regression", "index"])
def test_steady(opened, width, name):
    page = opened(f"{name}.html", width)
    page.wait_for_timeout(1500)
    shift = page.evaluate("""() => new Promise((done) => { let sum = 0;
        new PerformanceObserver((list) => { for (const entry of list.getEntries()) sum += entry.value; })
            .observe({type: "layout-shift", buffered: true});
        setTimeout(() => done(sum), 300); })""")
    assert shift < 0.02


@needs_site
@pytest.mark.parametrize("folder", ["", "vi/", "zh/"])
def test_light(opened, server, folder):
    page = opened(f"{folder}{LONGEST}.html")
    files = [SITE / url.removeprefix(server).partition("?")[0] for url in set(page.loaded) if url.startswith(server)]
    weights = {path: len(gzip.compress(path.read_bytes())) for path in files if path.suffix not in (".png", ".svg")}
    assert sum(weights.values()) < 400_000, weights
    assert sum(weight for path, weight in weights.items() if path.suffix == ".js") < 60_000, weights


@needs_site
@pytest.mark.parametrize("at", ["http", "file"])
def test_text_runs_no_script(opened, at, tmp_path):
    """Nor from a disk, where the book's own scripts do run."""
    bad = "<img src=x onerror='document.title=1'><script>document.title=2</script><a id=bad href='javascript:document.title=3'>!</a>"
    html = (SITE / "index.html").read_text("utf-8").replace("</h1>", f"</h1>{bad}", 1)
    if at == "http":
        page = opened("index.html", html=html)
    else:
        (tmp_path / "index.html").write_text(html, "utf-8")
        (tmp_path / "_static").symlink_to(SITE / "_static")
        page = opened((tmp_path / "index.html").as_uri())
    page.click("#bad")
    page.wait_for_timeout(300)
    assert not re.fullmatch("[123]", page.title()) and len(page.complaints) >= 3
    page.click("details.menu summary")
    page.click("main h1")
    assert page.locator("details.menu[open]").count() == 0 and page.evaluate("document.documentElement.dataset.theme") == "light"


@needs_site
def test_print(opened):
    page = opened("softmax-regression.html", color_scheme="dark")
    folded = page.locator("article details:not([open])").count()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert folded > 10 and page.locator("article details:not([open])").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
    assert page.evaluate("getComputedStyle(document.querySelector('article p')).color") < "rgb(4"
    assert not page.locator(".bd-header-article").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("article details:not([open])").count() == folded


WIDE = f"""async () => {{{LAY_OUT};""" + """
  document.querySelectorAll("details").forEach((fold) => fold.open = true);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const ground = (place) => /, 0\\)$/.test(getComputedStyle(place).backgroundColor) ? ground(place.parentElement)
    : getComputedStyle(place).backgroundColor;
  const displays = [...document.querySelectorAll("div.formula")].map((formula) => ({
    wide: formula.scrollWidth > formula.clientWidth, reached: formula.tabIndex == 0, name: formula.textContent,
    covered: getComputedStyle(formula).backgroundImage.includes(ground(formula.parentElement)),
  }));
  const beyond = [...document.querySelectorAll("math:not([display])")].filter((formula) =>
    formula.getBoundingClientRect().right > document.documentElement.clientWidth && !formula.closest("table"));
  return [displays, beyond.map((formula) => formula.textContent)];
}"""


@needs_site
@pytest.mark.parametrize("address, scheme", [("linear-regression", "light"), ("vi/softmax-regression", "dark"), ("zh/softmax-regression", "light")])
def test_a_formula_wider_than_the_screen_says_so_and_can_be_reached(opened, address, scheme):
    displays, beyond = opened(f"{address}.html", width=320, color_scheme=scheme).evaluate(WIDE)
    assert 1 < sum(display["wide"] for display in displays) < len(displays)
    assert [display["name"] for display in displays if display["wide"] != display["reached"] or not display["covered"]] == beyond == []
