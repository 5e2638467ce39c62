"""The figures to touch: their numbers are PyTorch's, and they answer to pointer and keyboard, in a headless Chromium."""

import base64
import re

import garments
import pytest
import torch
from booktools import project, sources, touch
from conftest import served

import softmax_lib as sl

NAMES = list(touch.modules())
DOUBLE = torch.float64


def test_every_word_is_there_in_every_edition():
    assert list(touch.failures()) == []


def test_a_missing_or_needless_word_and_picture_are_named(monkeypatch):
    monkeypatch.setattr(touch, "modules", lambda: {"fit-line": "words.area + words.gone", "new": "words.step"})
    found = "\n".join(touch.failures())
    assert "asks for `gone`, which edition vi does not say" in found and "never says `solve` of edition zh" in found
    assert "new.js:1: it has no still picture" in found


@pytest.mark.parametrize("name", NAMES)
def test_a_module_is_small(name):
    assert len(touch.modules()[name].encode()) <= 12 * 1024


# ---- in a browser


@pytest.fixture(scope="module")
def call(browser):
    """call(module, expression): the value of an expression in which `m` is the module, served as the book's own file."""
    with served(touch.folder()) as address:
        page = browser.new_page()
        page.goto(f"{address}common.js")  # any page of that server
        yield lambda module, expression: page.evaluate(f"import('/{module}.js').then((m) => ({expression}))")


@pytest.fixture
def figure(browser):
    """figure(name, edition): its page, as the site has it: the still picture, the style sheet and the classic script."""
    contexts = []

    def make(name, edition="en", **options):
        contexts.append(browser.new_context(viewport={"width": 390, "height": 844}, **options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        said = touch.words(name, edition)
        code = touch.script(touch.modules()[name], project.read(touch.folder() / "common.js"), said, name)
        style = project.read(project.BOOK / "static/book.css")
        page.set_content(f"<style>{style}</style><div class='touch' data-touch='{name}'><svg aria-label='still'></svg></div>")
        page.route("https://book/*", lambda route: route.abort())
        page.route(f"https://book/{name}.js", lambda route: route.fulfill(body=code, content_type="text/javascript"))
        page.add_script_tag(url=f"https://book/{name}.js")
        return page

    yield make
    for context in contexts:
        context.close()


def state(page):
    return page.evaluate("[...document.querySelectorAll('.scenes, .report, canvas')].map((part) => part.toDataURL?.() ?? part.innerHTML).join()")


@pytest.mark.parametrize("edition", project.editions())
@pytest.mark.parametrize("name", NAMES)
def test_the_keyboard_moves_everything(figure, name, edition):
    page = figure(name, edition)
    assert page.get_by_role("group", name="still").count() and not page.locator("svg[aria-label=still]").count()
    assert "{" not in page.locator(".report").inner_text() and "undefined" not in page.locator(".touch").inner_html()
    for slider in page.get_by_role("slider").all():
        before = state(page), slider.get_attribute("aria-valuetext")
        assert slider.get_attribute("aria-label") or slider.evaluate("(node) => node.labels?.length")
        slider.focus()
        for key in ("ArrowUp", "ArrowLeft", "ArrowLeft"):  # one of them has room
            page.keyboard.press(key)
        assert (state(page), slider.get_attribute("aria-valuetext")) != before
    seen = {state(page)}
    for button in page.get_by_role("button").all():
        assert button.inner_text().strip() and button.bounding_box()["height"] >= 44
        button.focus()
        page.keyboard.press("Enter")
        seen.add(state(page))
    assert len(seen) > 2
    page.wait_for_timeout(700)
    assert page.get_by_role("status").inner_text() == page.locator(".report").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_pointer_drags_a_line_and_a_house(figure):
    page = figure("fit-line")
    line, house, dot = (page.get_by_role("slider", name=name) for name in ("right end", "with 85 square", "weight and bias"))

    def drag(handle, by):
        box = handle.locator(".knob").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x, y + by, steps=3)
        page.mouse.up()

    before = line.get_attribute("aria-valuetext"), dot.get_attribute("transform"), page.locator(".report").inner_text()
    drag(line, -40)
    after = line.get_attribute("aria-valuetext"), dot.get_attribute("transform"), page.locator(".report").inner_text()
    assert all(one != other for one, other in zip(before, after))
    drag(house, -40)
    assert int(house.get_attribute("aria-valuenow")) > 300 and "543" not in page.locator(".report").inner_text()


def test_nothing_plays_for_those_who_want_it_calm(figure):
    assert figure("descend").get_by_role("button", name="Play").count() == 1
    calm = figure("descend", reduced_motion="reduce")
    assert calm.get_by_role("button", name="Play").count() == 0
    calm.get_by_role("button", name="Ten steps").click()
    assert "After 10 steps" in calm.locator(".report").inner_text()


def test_fit_runs_line_by_line(figure):
    page = figure("fit")
    for _ in range(11):
        page.get_by_role("button", name="Next line").click()
    assert page.locator("[aria-current=step]").inner_text() == "loss.backward()" and "−15" in page.locator(".report").inner_text()


def test_a_garment_is_drawn_by_keys_and_by_pointer(figure):
    page, drawn = figure("garment"), "document.querySelector('.grid canvas').toDataURL()"
    seen = [page.evaluate(drawn)]
    page.get_by_role("application").focus()
    for key in ("ArrowLeft", "Space", "Shift+ArrowDown"):
        page.keyboard.press(key)
        seen.append(page.evaluate(drawn))
    assert len(set(seen)) == 3 and "Row 15, column 13: brightness 0.8." in page.locator(".report").inner_text()
    page.get_by_role("button", name="Erase").click()
    box = page.locator(".grid canvas").bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 120)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 120)
    page.mouse.up()
    assert page.evaluate(drawn) not in seen


def test_garments_are_loaded_and_learned_from_when_asked_for(figure):
    page, asked = figure("garment", reduced_motion="reduce"), []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="Load").click()
    page.get_by_text("could not be loaded").first.wait_for()
    page.route("https://book/garments.js", lambda route: route.fulfill(path=garments.FILE, content_type="text/javascript"))
    page.get_by_role("button", name="Load").click()
    page.get_by_role("button", name="20 epochs").click()
    page.get_by_text("After 20 epochs: training loss 0.666").first.wait_for()
    page.get_by_role("button", name="A real image").click()
    assert "The real image was of this class: t-shirt." in page.locator(".report").inner_text()
    assert asked == ["https://book/garments.js"] * 2


# ---- the numbers


@pytest.fixture(scope="module")
def houses():
    """The section's 120 houses, as its cell makes them: areas, ages, prices."""
    torch.manual_seed(42)
    area = 40 + 120 * torch.rand(120, dtype=DOUBLE)
    age = 50 * torch.rand(120, dtype=DOUBLE)
    return area, age, 3 * area - 1.5 * age + 50 + 25 * torch.randn(120, dtype=DOUBLE)


def same(got, wanted, tolerance=1e-6):
    torch.testing.assert_close(torch.tensor(got, dtype=DOUBLE), torch.as_tensor(wanted, dtype=DOUBLE).detach(), rtol=tolerance, atol=tolerance)


def test_fit_line_computes_as_pytorch_does(call, houses):
    x, y = (torch.tensor(call("fit-line", f"m.{name}"), dtype=DOUBLE) for name in ("AREAS", "PRICES"))
    same(x.tolist(), houses[0][:12], 1e-4)
    same(y.tolist(), houses[2][:12], 1e-4)
    w = torch.tensor([2.0, 40.0], dtype=DOUBLE, requires_grad=True)
    loss = ((w[0] * x + w[1] - y) ** 2 / 2).mean()
    loss.backward()
    same(call("fit-line", "m.loss(2, 40, m.PRICES)"), loss)
    same(call("fit-line", "m.gradient(2, 40, m.PRICES)"), w.grad)
    same(call("fit-line", "m.step(2, 40, m.PRICES)"), w - 1e-4 * w.grad)
    same(call("fit-line", "m.solve(m.PRICES)"), torch.linalg.lstsq(torch.stack([x, torch.ones_like(x)], 1), y).solution)


def test_every_point_of_an_ellipse_is_equally_high(call):
    A, center = torch.tensor([[3.0, 1.0], [1.0, 2.0]], dtype=DOUBLE), torch.tensor([1.0, -1.0], dtype=DOUBLE)
    d = torch.tensor(call("common", "m.ellipse([[3, 1], [1, 2]], [1, -1], 5)"), dtype=DOUBLE) - center
    same(((d @ A) * d).sum(1).div(2).tolist(), torch.full((72,), 5.0))


@pytest.mark.parametrize("standardized", [False, True])
def test_descend_computes_as_pytorch_does(call, houses, standardized):
    area, age, price = houses
    X = torch.stack([area, age], 1)
    y = price - (price.mean() if standardized else torch.linalg.lstsq(torch.cat([X, torch.ones(120, 1)], 1), price).solution[2])
    X = (X - X.mean(0)) / X.std(0) if standardized else X
    A = X.T @ X / 120
    problem = f"m.problem({str(standardized).lower()})"
    same(call("descend", f"{problem}.limit"), 2 / torch.linalg.eigvalsh(A)[-1], 1e-3)
    same(call("descend", f"{problem}.best"), torch.linalg.solve(A, X.T @ y / 120), 1e-3)
    w, batch, rate = torch.tensor([1.0, 2.0], dtype=DOUBLE), [5, 17, 80, 119], 0.1 if standardized else 1e-4
    same(call("descend", f"m.loss({problem}, [1, 2])"), ((X @ w - y) ** 2 / 2).mean(), 1e-3)
    wanted = w - rate * X[batch].T @ (X[batch] @ w - y[batch]) / 4
    same(call("descend", f"m.step({problem}, [1, 2], {batch}, {rate})"), wanted, 1e-3)


def test_every_epoch_deals_every_house_once(call):
    dealt = call("descend", "((deal) => Array.from({length: 60}, () => deal.next().value))(m.minibatches(4))")
    epochs = [sum(dealt[:30], []), sum(dealt[30:], [])]
    assert [sorted(epoch) for epoch in epochs] == [list(range(120))] * 2 and epochs[0] != epochs[1]


@pytest.mark.parametrize("o, T, truth", [([1, 3, 0.5], 1, 1), ([-4, 6, 2], 0.5, 0), ([0, 0, 0], 3, 2)])
def test_surprise_computes_as_pytorch_does(call, o, T, truth):
    logits = torch.tensor(o, dtype=DOUBLE, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(logits / T, torch.tensor(truth))
    loss.backward()
    same(call("surprise", f"m.softmax({o}, {T})"), torch.softmax(logits / T, 0))
    same(call("surprise", f"m.surprisal({o}, {T}, {truth})"), loss)
    same(call("surprise", f"m.gradient({o}, {T}, {truth})"), logits.grad * T)
    same(call("surprise", f"m.step({o}, {T}, {truth})"), logits - logits.grad)


def test_autograd_computes_as_pytorch_does(call):
    actions = ["backward", "forward", "backward", "backward", "forward", "backward", "zero"]
    states = call("autograd", f"{actions}.reduce((all, action) => [...all, m.act(all.at(-1), action)], [m.begin()])")
    w, b = (torch.tensor(value, dtype=DOUBLE, requires_grad=True) for value in (2.0, 0.0))
    grads, losses = [{"w": None, "b": None}], []
    for _ in range(2):
        loss = (w * 3 + b - 10) ** 2 / 2
        loss.backward()
        losses.append(loss.item())
        grads.append({"w": w.grad.item(), "b": b.grad.item()})
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        loss.backward()
    assert [state["said"] for state in states] == ["begin", "missing", "forward", "backward", "spent", "forward", "backward", "zero"]
    assert [state["grad"] for state in states] == [grads[i] for i in (0, 0, 0, 1, 1, 1, 2)] + [{"w": 0, "b": 0}]
    assert [states[i]["values"]["loss"] for i in (2, 5)] == losses
    after = call("autograd", "['forward', 'backward'].reduce((now, action) => m.act(now, action), m.act(m.begin(), 'weight', 3.2))")
    same(after["grad"]["w"], (3.2 * 3 - 10) * 3)  # as after the page's step


@pytest.mark.parametrize("batches", [1, 2])
def test_fit_shows_the_lines_of_the_page_and_computes_as_they_do(call, batches):
    cells = [cell.source for cell in sources.read("en", "training-framework").code]
    source = "".join(next(cell for cell in cells if cell.startswith(f"class {name}")) + "\n" for name in ("Trainer", "Slope"))
    exec(source, book := {"nn": torch.nn, "torch": torch})
    places = [source.index(f"    {text}\n") for _, text in call("fit", "m.CODE")]
    assert places == sorted(places) and "Trainer(max_epochs=5)" in "".join(cells)

    data = book["TwoPoints"]()
    given = [tuple(torch.tensor(part).float() for part in pair) for pair in call("fit", f"m.loader({batches})")]
    assert torch.equal(torch.cat([torch.stack(pair) for pair in given], 1), torch.stack(data.train_dataloader()[0]))
    data.train_dataloader = lambda: given
    model, seen = book["Slope"](call("fit", "m.RATE")), []
    optimizer = model.configure_optimizers()
    optimizer.register_step_post_hook(lambda *_: seen.append([model.w.item(), model.w.grad.item()]))
    model.configure_optimizers = lambda: optimizer
    book["Trainer"](5).fit(model, data)

    states = call("fit", f"((all) => {{ while (all.at(-1).at !== 'end') all.push(m.advance(all.at(-1))); return all; }})([m.begin({batches})])")
    steps = [state for state in states if state["at"] == "step"]
    same([[state["w"], state["grad"]] for state in steps], seen, 1e-5)
    losses = [book["Slope"].training_step(lambda x, w=w: w * x, given[state["batch"]]) for w, state in zip([0, *next(zip(*seen))], steps)]
    same([state["loss"] for state in steps], losses, 1e-5)


def test_garment_has_the_gradient_of_pytorch(call):
    torch.manual_seed(0)
    params, X = torch.randn(7850) / 10, torch.rand(37, 784)
    made = f"new Float32Array({params.tolist()}), new Float32Array({X.flatten().tolist()})"
    params, X = params.to(DOUBLE).requires_grad_(), X.to(DOUBLE)
    logits, y = X @ params[:7840].reshape(10, 784).T + params[7840:], torch.arange(37) % 10
    loss = torch.nn.functional.cross_entropy(logits, y)
    loss.backward()
    got = call("garment", f"((made) => ({{...made, grad: [...made.grad]}}))(m.gradient({made}, [...Array(37).keys()]))")
    same(got["grad"], params.grad, 1e-5)
    same(got["loss"] / 37, loss)
    assert got["right"] == (logits.argmax(1) == y).sum()
    same(call("garment", f"m.probabilities({made}, 5)"), logits[5].softmax(0))


def test_garment_learns_as_pytorch_does_and_is_judged_on_images_it_has_not_seen(call):
    packed = re.search('"(.*)"', garments.FILE.read_text())[1]
    pairs = torch.frombuffer(bytearray(base64.b64decode(packed)), dtype=torch.uint8)
    X = torch.stack([pairs // 16, pairs % 16], 1).reshape(2000, 784).to(DOUBLE) / 15
    same(call("garment", f"[...m.unpack('{packed}').slice(784 * 777, 784 * 778)]"), X[777])
    orders = call("garment", "[1, 2].map((seed) => m.shuffled(m.TRAIN, seed))")
    assert all(sorted(order) == list(range(1500)) for order in orders) and orders[0] != orders[1]

    y, W, b = torch.arange(2000) % 10, *(torch.zeros(size, dtype=DOUBLE, requires_grad=True) for size in [(784, 10), 10])
    losses = 0
    for rows in torch.tensor(orders[0]).split(256):  # as the section trains
        loss = torch.nn.functional.cross_entropy(X[rows] @ W + b, y[rows], reduction="sum")
        loss.backward()
        sl.sgd([W, b], 0.1, len(rows))
        losses += loss.item()
    right = (X @ W + b).argmax(1) == y
    got = call("garment", f"""((X, params) => [m.epoch(params, X, 1).loss, m.heldOut(params, X), [...params],
        Array.from({{length: 19}}, (_, i) => m.epoch(params, X, i + 2).accuracy).at(-1), m.heldOut(params, X)]
        )(m.unpack('{packed}'), new Float32Array(7850))""")
    same(got[0], losses / 1500, 1e-5)
    same(got[1], right[1500:].double().mean())
    same(got[2], torch.cat([W.T.flatten(), b]), 1e-5)
    assert got[1] < got[4] < 0.85 and 0.75 < got[4]


@pytest.mark.skipif(sl.is_stand_in(), reason="the real Fashion-MNIST is not here")
def test_the_images_of_garment_are_those_of_fashion_mnist():
    assert garments.FILE.read_text() == garments.script()
