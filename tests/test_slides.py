"""The slides: which parts of a page they show, and the finished decks, as a lecturer uses them, in a headless Chromium."""

import re

import pytest
from booktools import project, slides
from bs4 import BeautifulSoup

SITE = project.ROOT / "_build/html"
EDITIONS = {"en": SITE, "vi": SITE / "vi", "zh": SITE / "zh"}
finished = pytest.mark.skipif(not (SITE / "slides").exists(), reason="the slides are tried on the finished site: make book first")

PAGE = '''
<section id="page"><h1>1. Page<a class="headerlink" href="#page">#</a></h1><p>Hello.</p><ul><li>Aim</li></ul><ul><li>Need</li></ul>
<section id="part"><h2>Part</h2><p>Before.</p>
<slide-mark data-show="2" data-output="False"><p class="rubric">Own <em>title</em></p><p>Few words.</p></slide-mark>
<p>A <a href="#page">link</a>, <a href="other.html#x" data-definition="d">one</a>, <a href="https://a.b">out</a>.</p><div class="math">1</div>
<div class="math">2</div></section>
<section id="asked"><h2>Asked</h2><slide-mark data-show="1" data-output="False"></slide-mark>
<p>Said.</p><p><strong>Predict.</strong> What?</p>
<div class="cell"><div class="cell_input"><pre><span class="c1">#@save</span>
<span class="sd">    """Says.</span>

<span class="sd">    Says more.</span>
<span class="sd">    """</span>
code</pre></div><details class="hide below-input"><div class="cell_output">out</div></details></div>
<p>Answer.</p><slide-mark data-show="1 2" data-output="False"><p class="rubric">Drawn</p></slide-mark>
<div class="cell"><div class="cell_input">plot()</div><div class="cell_output"><figure><svg id="drawn"><g id="s"></g></svg><figcaption><p>Caption.</p></figcaption>
</figure></div></div></section>
<section id="silent"><h2>Silent</h2><p>Left out.</p></section>
<section id="exercises"><h2>Exercises</h2><div class="exercise">No</div><details class="solution">Not this</details>
<slide-mark data-show="1" data-output="False"></slide-mark><div class="exercise">Yes</div><details class="solution">This</details>
<div class="exercise">No</div><details class="solution">Not this</details></section></section>
'''


def text(parts):
    return " ".join(" ".join(part.get_text(" ", strip=True) for part in parts).split())


def test_marks_say_what_is_shown_and_the_rest_is_noted():
    made = slides.deck(PAGE, "page")
    assert [(face.title, face.part, text(face.shown), text(face.notes)) for face in made] == [
        ("1. Page", "", "Aim", "Hello. Need"),
        ("Own <em>title</em>", "Part", "Few words. 2", "Before. A link , one , out . 1"),
        ("Asked", "Asked", 'Predict. What? """Says.""" code out', "Said. Answer."),
        ("Drawn", "Asked", "", "Caption."),
        ("Exercises", "Exercises", "Yes", "This"),
    ]
    assert made[3].shown[0].g["id"] == "s" and not made[3].shown[0].svg.has_attr("id")
    links = [link["href"] for link in made[1].notes[1].find_all("a")]
    assert links == ["../page.html#page", "../other.html#x", "https://a.b"]


def test_a_slide_shows_only_what_is_there():
    with pytest.raises(ValueError):
        slides.numbers("1 two")
    made = slides.deck(PAGE.replace('data-show="2"', 'data-show="3"'), "page")
    assert [face.title for face in made if max(face.show) > face.seen] == ["Own <em>title</em>", "Drawn"]


def decks(edition):
    return {name: EDITIONS[edition] / "slides" / f"{name}.html" for name in project.sections()}


@finished
def test_every_section_has_the_same_slides_in_every_edition():
    for name in project.sections():
        pages = [BeautifulSoup(decks(edition)[name].read_text("utf-8"), "html.parser") for edition in EDITIONS]
        counts = [[len(slide.select(".face > *")) for slide in page.select(".slide")] for page in pages]
        assert counts[0] == counts[1] == counts[2] and 12 <= len(counts[0]) <= 26, name
        for page in pages:
            assert page.select(".face .cell_output") and page.select(".notes p") and page.select(".face .exercise")


@finished
@pytest.mark.parametrize("edition", EDITIONS)
def test_decks_load_nothing_from_elsewhere_and_marks_stay_out_of_sight(edition):
    for name, deck in decks(edition).items():
        soup = BeautifulSoup(deck.read_text("utf-8"), "html.parser")
        assert "default-src 'none'" in soup.select_one("meta[http-equiv]")["content"]
        for part in soup.select("script, link:not([rel=canonical]), img, source, iframe"):
            address = part.get("src") or part.get("href")
            assert address.startswith("data:") or (deck.parent / address.partition("?")[0]).resolve().exists(), address
        page, notebook = (EDITIONS[edition] / path for path in (f"{name}.html", f"notebooks/{name}.ipynb"))
        shown = page.read_text("utf-8")
        assert f'href="slides/{name}.html"' in shown and "slide-mark" not in shown + notebook.read_text("utf-8")
        assert "{slide}" not in notebook.read_text("utf-8")


# ---- in a browser


@pytest.fixture
def window(browser):
    """window(deck, **options): a tab that shows it from its file, and goes nowhere else."""
    contexts = []

    def show(deck, **options):
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 720}, **options}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        page.on("request", lambda request: pytest.fail(request.url) if request.url.startswith("http") else None)
        page.goto(deck.as_uri())
        if options.get("java_script_enabled", True):
            page.wait_for_selector(".slide:last-of-type .face[style*='--size']", state="attached")
        return page

    yield show
    for context in contexts:
        context.close()


MEASURE = """[...document.querySelectorAll('.slide')].flatMap((slide) => {
  const face = slide.firstElementChild, code = face.querySelector('pre');
  face.querySelectorAll('details').forEach((fold) => { fold.open = true; });
  const wide = [...face.querySelectorAll('pre, .math')].some((part) => part.scrollWidth > part.clientWidth + 1);
  const small = parseFloat(getComputedStyle(code || face).fontSize) < (code ? 12.5 : 18);
  const over = face.scrollHeight > face.clientHeight + 1 || face.scrollWidth > face.clientWidth + 1;
  const low = [...face.querySelectorAll('svg:not(svg svg, [aria-hidden])')].some(({clientHeight}) => clientHeight && clientHeight < 120);
  return over || wide || small || low ? [`${slide.id}: ${[over && 'too long', wide && 'too wide', small && 'small', low && 'low']}`] : [];
})"""


@finished
@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("name", project.sections())
def test_every_slide_fits(window, edition, name):
    assert window(decks(edition)[name]).evaluate(MEASURE) == []


@finished
def test_keys_lead_through_a_deck(window):
    page = window(decks("en")["softmax-regression"])
    number = lambda: int(page.locator(".slide.now").get_attribute("id"))
    at = page.evaluate("[...document.querySelectorAll('.slide')].findIndex((slide) => slide.querySelector('.below-input'))") + 1
    for _ in range(at - 1):
        page.keyboard.press("ArrowRight")
    assert number() == at and page.url.endswith(f"#{at}")
    output = page.locator(".now .below-input .cell_output")
    assert not output.is_visible()
    page.keyboard.press("Space")
    assert number() == at and output.is_visible()
    page.keyboard.press("PageDown")
    assert number() == at + 1
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowLeft")
    assert number() == at and not output.is_visible()
    page.keyboard.press("End")
    assert number() == page.locator(".slide").count()
    page.keyboard.press("Home")
    assert number() == 1 and not page.locator(".now .notes").is_visible()
    page.keyboard.press("n")
    assert page.locator(".now .notes").is_visible()
    page.get_by_text("›").click()
    assert number() == 2


@finished
def test_a_second_window_follows(window):
    page = window(decks("en")["softmax-regression"])
    with page.expect_popup() as opened:
        page.keyboard.press("w")
    second = opened.value
    second.wait_for_selector("html.with-notes.deck")
    page.keyboard.press("End")
    second.wait_for_selector(".now:last-of-type")
    second.keyboard.press("Home")
    page.wait_for_selector(".now:first-of-type")


@finished
def test_swipes_the_page_without_scripts_and_paper(window):
    deck = decks("zh")["softmax-regression"]
    phone = window(deck, viewport={"width": 390, "height": 844}, has_touch=True)
    phone.evaluate("""for (const [type, x] of [["touchstart", 300], ["touchend", 100]]) {
      const touch = new Touch({identifier: 1, target: document.body, clientX: x, clientY: 100});
      document.body.dispatchEvent(new TouchEvent(type, {touches: type === "touchend" ? [] : [touch], changedTouches: [touch], bubbles: true}));
    }""")
    assert phone.locator(".slide.now").get_attribute("id") == "2" and phone.locator(".now .notes").is_visible()

    page = window(deck)
    assert len(re.findall(rb"/Type /Page\b(?!s)", page.pdf(prefer_css_page_size=True))) == page.locator(".slide").count()
    assert window(deck, color_scheme="dark").evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"

    plain = window(deck, java_script_enabled=False)
    assert all(slide.is_visible() for slide in plain.locator(".face").all())
