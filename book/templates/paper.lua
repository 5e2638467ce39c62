-- What pandoc cannot say of itself: a block of class X is set by the function X of paper.typ.
local paper = FORMAT == "typst"
local marks = {emphasis = pandoc.Emph, strong = pandoc.Strong, footnote_reference = pandoc.Superscript}

local function raw(text) return pandoc.RawInline("typst", text) end
local function string(text) return '"' .. text:gsub('[\\"]', "\\%0") .. '"' end

function Span(span)
  local mark = marks[span.classes[1]]
  if mark then return mark(span.content) end
end

function Div(div)
  local name = div.classes[1]
  if not (paper and name) then return end
  local number = div.attributes.number
  local start = "#" .. name .. "(" .. (number and "number: " .. string(number) or "") .. ")["
  local place = div.identifier ~= "" and " <" .. div.identifier .. ">" or ""
  table.insert(div.content, 1, pandoc.RawBlock("typst", start))
  div.content:insert(pandoc.RawBlock("typst", "]" .. place))
  return div.content
end

function Image(image)
  if paper then
    return raw("#image(" .. string(image.src) .. ", alt: " .. string(pandoc.utils.stringify(image.caption)) .. ")")
  end
end

-- A link that says its page.
function Link(link)
  if paper and link.classes[1] == "page" then
    return {raw("#turn(<" .. link.target:sub(2) .. ">)["), pandoc.Span(link.content), raw("]")}
  end
end

-- What texmath gets wrong: in HTML it sets \mathbf in italics, but in this book vectors are upright; in Typst it writes
-- operators as words, without the room around them, bars with too much of it, large brackets as text, and \otimes by a
-- name that Typst gave up.
local function mend(written, tex)
  if not paper then
    return (written:gsub("bold%-italic", "bold"):gsub(utf8.charpattern, function(letter)
      local code = utf8.codepoint(letter)
      return 0x1D468 <= code and code <= 0x1D49B and utf8.char(code - 0x68) or letter
    end))
  end
  return (written:gsub('upright%("', "\0"):gsub('"(%a+)"', function(name)
    local below = tex:find("operatorname*{" .. name, 1, true) and ", limits: #true" or ""
    return "op(" .. string(name) .. below .. ")"
  end):gsub("\0", 'upright("'):gsub("\\| (.-) \\|", "lr(\\| %1 \\|)"):gsub("#scale%(x: (%d+%%), [^)]*%)%[(\\.)%]", "lr(%2, size: #%1)")
    :gsub("times%.circle", "times.o"))
end

function Pandoc(doc)  -- all formulas at once, for to call the writer takes longer than to write
  local all, next_one = pandoc.List(), pandoc.List()
  doc:walk({Math = function(math) all:insert(math) end})
  local written = pandoc.write(pandoc.Pandoc(all:map(pandoc.Plain)), paper and "typst" or "html", {html_math_method = "mathml"})
  for formula in written:gmatch(paper and "%b$$" or "<math.-</math>") do next_one:insert(formula) end
  assert(#next_one == #all, "paper.lua: a formula is missing")
  return doc:walk({Math = function(math)
    return pandoc.RawInline(FORMAT == "typst" and "typst" or "html", mend(next_one:remove(1), math.text))
  end})
end
