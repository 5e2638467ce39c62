"""The search as readers have it: in a browser, on the site that `make book` made, opened from the disk."""

import gzip
import unicodedata
from urllib.parse import quote

import pytest
from booktools import interface, project, search

SITE = project.ROOT / "_build/html"
pytestmark = pytest.mark.skipif(
    not (SITE / search.INDEX).exists(), reason="The search is tested on the finished site: make book first."
)
FIRST = {  # what readers type → the page and the section that must come first
    "en": {
        "cross-entropy": ("softmax-regression", "Cross-entropy"),
        "learning rate": ("softmax-regression", "Which learning rate"),
        "Softmax Regression": ("softmax-regression", "Softmax regression: the ideas"),
        "weight dec": ("generalization", "Weight decay"),
        "train_ch3": ("softmax-regression-scratch", "Helpers: training"),
        "evaluate_accuracy": ("softmax-regression-scratch", "Helpers: measuring"),
        "evaluate_acuracy": ("softmax-regression-scratch", "Helpers: measuring"),
        "data loader": ("glossary", "data loader"),
        "overfiting": ("glossary", "overfitting"),
        "gradeint descent": ("glossary", "gradient descent"),
        "temperatrue": ("softmax-regression", "Temperature"),
        "train with gpu": ("training-framework", "On a GPU"),
        "is my model calibrated": ("softmax-regression", "Accuracy and calibration"),
        "minibatches reading": ("linear-regression-scratch", "Reading minibatches"),
    },
    "vi": {
        "tốc độ học": ("softmax-regression", "Tốc độ học nào?"),
        "toc do hoc": ("softmax-regression", "Tốc độ học nào?"),
        "hàm mất mát": ("linear-regression-scratch", "Hàm mất mát"),
        "HAM MAT MAT": ("linear-regression-scratch", "Hàm mất mát"),
        "entropy cheo": ("softmax-regression", "Entropy chéo"),
        unicodedata.normalize("NFD", "suy giảm trọng số"): ("generalization", "Suy giảm trọng số"),
        "dao ham": ("linear-regression", "Một đặc trưng: hàm mất mát và đạo hàm"),
        "nhiet do": ("softmax-regression", "Nhiệt độ"),
        "luu mo hinh": ("from-notebook-to-project", "Lưu mô hình vào tệp"),
        "ma tran nham lan": ("glossary", "ma trận nhầm lẫn"),
        "đọc minibatch": ("linear-regression-scratch", "Đọc từng minibatch"),
        "train_ch3": ("softmax-regression-scratch", "Các hàm hỗ trợ: huấn luyện"),
        "sofmax": ("softmax-regression-scratch", "Hàm softmax"),
    },
    "zh": {
        "交叉熵": ("softmax-regression", "交叉熵"),
        "熵": ("softmax-regression", "熵"),
        "softmax回归": ("softmax-regression", "softmax 回归：基本思想"),
        "学习率": ("softmax-regression", "怎样选择学习率"),
        "选择学习率": ("softmax-regression", "怎样选择学习率"),
        "从零实现softmax回归": ("softmax-regression-scratch", "从零开始实现 softmax 回归"),
        "权重衰减": ("generalization", "权重衰减"),
        "过拟合": ("glossary", "过拟合"),
        "数值溢出": ("glossary", "上溢"),
        "小批量随机梯度下降": ("glossary", "小批量随机梯度下降"),
        "自动微分": ("linear-regression-scratch", "自动微分的内部"),
        "保存模型": ("from-notebook-to-project", "把模型保存到文件"),
        "温度": ("softmax-regression", "温度"),
        "evaluate_accuracy": ("softmax-regression-scratch", "辅助函数：评估"),
    },
}


@pytest.fixture(scope="module")
def page(browser):
    return browser.new_page()


def url(edition, rest):
    return f"{SITE.as_uri()}/{interface.folder(edition)}{rest}"


def found(page, edition, query):
    """Page, title and excerpt of each result, best first, on the search page."""
    if not page.url.startswith(url(edition, "search.html")):
        page.goto(url(edition, f"search.html?q={quote(query)}"))
    page.fill(".bd-search-container input", query)
    page.wait_for_function("query => new URLSearchParams(location.search).get('q') === query && document.querySelector('[role=status]:not(:empty)')", arg=query)
    return page.eval_on_selector_all(
        ".bd-search-container .search-found a",
        "links => links.map(a => [a.href.match(/([^/]+)\\.html/)[1], ...[...a.children].map(part => part.textContent)])",
    )


@pytest.mark.parametrize("edition, query", [(edition, query) for edition, queries in FIRST.items() for query in queries])
def test_what_comes_first(page, edition, query):
    (name, title, _, excerpt), *_ = found(page, edition, query)
    assert (name, title) == FIRST[edition][query]
    assert "\\" not in excerpt


def test_vietnamese_is_found_however_it_is_typed(page):
    ways = ["tốc độ học", "TỐC ĐỘ HỌC", unicodedata.normalize("NFD", "tốc độ học")]
    assert len({str(found(page, "vi", way)) for way in ways}) == 1
    assert found(page, "vi", "tràn")[0][1].startswith(("tràn số", "Khi nào")) and "ma trận" in found(page, "vi", "trận")[0][1]


@pytest.mark.parametrize("edition, says", [("en", "No section found"), ("vi", "Không tìm thấy"), ("zh", "没有找到")])
def test_nothing_found_is_said(page, edition, says):
    assert found(page, edition, "xyzzyzzyx") == []
    assert page.inner_text(".bd-search-container [role=status]").startswith(says)


@pytest.mark.parametrize("edition, query, says", [("en", "ridge regr", "ridge regression"), ("zh", "岭回归", "岭回归")])
def test_the_dialog_answers_while_one_types_and_leads_to_the_match(browser, edition, query, says):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    asked = []
    page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[1]))
    page.goto(url(edition, "index.html"))
    assert search.INDEX not in asked
    page.keyboard.press("Control+k")
    page.keyboard.type(query)
    page.wait_for_selector("dialog .search-found mark")
    assert search.INDEX in asked and says in page.inner_text("dialog .search-found li >> nth=1").lower()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowDown"):  # the second: the first is the glossary's
        page.keyboard.press(key)
    link = page.evaluate("document.activeElement.href")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "index.html" not in address)
    page.wait_for_timeout(1000)
    assert page.url.split("#")[0] == link.split("#")[0]
    seen = """word => [...document.querySelectorAll("article p, article li, article dd")].some(block => {
      const {top, bottom} = block.getBoundingClientRect();
      return top < innerHeight && bottom > 0 && block.textContent.toLowerCase().includes(word); })"""
    assert page.evaluate("scrollY") > 0 and page.evaluate(seen, says)


@pytest.mark.parametrize("edition", FIRST)
def test_the_index_is_small(edition):
    index = SITE / interface.folder(edition) / search.INDEX
    assert len(gzip.compress(index.read_bytes())) < 250_000
