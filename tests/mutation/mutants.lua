-- All the small mistakes that could have been made in a source text: comparisons
-- and sums turned round, constants one too large or too small, statements forgotten.
local mutants = {}

-- What each operator becomes, longest first. "" drops it, false leaves it alone;
-- `binary` ones are taken only where something to their left is an operand.
local C <const> = {
  { "<<", ">>" }, { ">>", "<<" }, { "<=", "<" }, { ">=", ">" }, { "==", "!=" }, { "!=", "==" },
  { "&&", "||" }, { "||", "&&" }, { "++", "--" }, { "--", "++" }, { "+=", "-=" }, { "-=", "+=" },
  { "->", false }, { "<", "<=" }, { ">", ">=" }, { "!", "" }, { "/", "*" }, { "%", "/" },
  { "+", "-", binary = true }, { "-", "+", binary = true }, { "|", "&", binary = true },
  { "&", "|", binary = true }, { "^", "|", binary = true },
}
local LUA <const> = {
  { "<=", "<" }, { ">=", ">" }, { "==", "~=" }, { "~=", "==" }, { "//", "*" }, { "..", false },
  { "<", "<=" }, { ">", ">=" }, { "*", "//" }, { "%", "*" }, { "|", "&" }, { "&", "|" },
  { "+", "-", binary = true }, { "-", "+", binary = true },
}
local WORDS <const> = {
  c = { ["true"] = "false", ["false"] = "true", ["break"] = "", ["continue"] = "" },
  lua = { ["true"] = "false", ["false"] = "true", ["and"] = "or", ["or"] = "and", ["not"] = "" },
}
local NO_OPERAND <const> = { ["return"] = true, ["and"] = true, ["or"] = true, ["not"] = true }

-- The text with comments blank and strings made of one letter, as long as before.
local function masked(text, language)
  local open_line = language == "c" and "//" or "--"
  local out, at = {}, 1
  local function take(to, filler)
    out[#out + 1] = text:sub(at, to):gsub("[^\n]", filler)
    at = to + 1
  end
  while at <= #text do
    local c, two = text:sub(at, at), text:sub(at, at + 1)
    if language == "c" and two == "/*" then
      take(select(2, text:find("*/", at, true)), " ")
    elseif two == open_line or (language == "c" and text:find("^\n#", at - 1)) then
      take(text:find("\n", at, true) - 1, " ")
    elseif c == '"' or c == "'" then
      local to = at + 1
      while text:sub(to, to) ~= c do to = to + (text:sub(to, to) == "\\" and 2 or 1) end
      take(to, "s")
    else
      take(at, c == "%" and "%%" or c)
    end
  end
  return table.concat(out)
end

local function is_operand_before(mask, at)
  local word = mask:sub(1, at - 1):match("([%w_%)%]]+)%s*$")
  return word ~= nil and not NO_OPERAND[word]
end

local function operator_at(mask, at, operators)
  for _, o in ipairs(operators) do
    if mask:sub(at, at + #o[1] - 1) == o[1] then return o end
  end
end

local function operators_of(mask, operators, add)
  local at = 1
  while at <= #mask do
    local o = operator_at(mask, at, operators)
    if o and o[2] and (not o.binary or is_operand_before(mask, at)) then
      add(at, #o[1], o[2])
    end
    at = at + (o and #o[1] or 1)
  end
end

-- The sizes of arrays on the stack do not count: more room is no mistake.
local function is_array_size(mask, at)
  local line = mask:sub(1, at - 1):match("[^\n]*$")
  return line:find("^%s+[%a_][%w_ %*]*[ %*][%a_][%w_]*%[$") or line:find("char buf%[$")
end

local function words_of(mask, words, add)
  for at, word in mask:gmatch("()([%a_][%w_]*)") do
    if words[word] then add(at, #word, words[word]) end
  end
  for at, number, tail in mask:gmatch("%f[%w_]()(%d[%x]*x?%x*)([uUlL]*)%f[^%w_]") do
    local n = math.tointeger(tonumber(number))
    if n and not is_array_size(mask, at) then
      local form = number:find("x") and "0x%x%s" or "%d%s"
      local is_time = n >= 100 and not number:find("x")   -- a millisecond more is no mistake
      add(at, #number + #tail, form:format(is_time and n * 10 or n + 1, tail))
      if n > 0 then
        add(at, #number + #tail, form:format(is_time and n // 10 or n - 1, tail))
      end
    end
  end
end

local function is_declaration(line)
  return line:find("^%s*[%a_][%w_ ]*[ %*][%a_][%w_]*%s*[=;,%[]") and not line:find("^%s*return")
    or line:find("^%s*struct ") or line:find("^%s*static ")
end

local function c_statements(mask, add)
  local before = ""
  for at, line in mask:gmatch("()([^\n]*)\n") do
    local indent = line:match("^\t*")
    local last = line:find("^%s*return") and #indent < 2
    if #indent > 0 and line:find("^%s*[%a_%*%(][^\n]*;%s*$") and before:find("[;{}:%)e]%s*$")
      and not line:find("^%s*else") and not line:find("^%s*for") and not line:find("^%s*while")
      and not line:find("^%s*case") and not is_declaration(line) and not last then
      add(at + #indent, #line:gsub("%s+$", "") - #indent, ";")
    end
    if line:find("%S") then before = line end
  end
end

local KEYWORDS <const> = { ["local"] = 1, ["return"] = 1, ["if"] = 1, ["for"] = 1, ["while"] = 1,
  ["end"] = 1, ["else"] = 1, ["elseif"] = 1, ["function"] = 1 }

local function lua_statements(mask, add)
  for at in mask:gmatch("()errors%.raise%(") do
    local to = select(2, mask:find("%b()", at))
    add(at, to - at + 1, "")
  end
  for at, body in mask:gmatch("then ()([^\n]-) end%f[%W]") do add(at, #body, "") end
  for at, line in mask:gmatch("()([^\n]*)\n") do
    local indent, word = line:match("^( +)([%a_][%w_]*)")
    if indent and not KEYWORDS[word] and word ~= "errors" and not line:find(",%s*$")
      and (line:find("%)%s*$") or line:find(" = ")) then
      add(at + #indent, #line - #indent, "")
    end
  end
end

-- The number of the line at a position, the line, and what it becomes.
local function line_of(text, m)
  local from = m.at
  while from > 1 and text:sub(from - 1, from - 1) ~= "\n" do from = from - 1 end
  local to = text:find("\n", m.at + m.len, true) or #text + 1
  local _, above = text:sub(1, from):gsub("\n", "")
  local function short(s) return (s:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")) end
  return (text:sub(from, from) == "\n" and above or above + 1), short(text:sub(from, to - 1)),
    short(text:sub(from, m.at - 1) .. m.new .. text:sub(m.at + m.len, to - 1))
end

--- All mutants of a source text.
-- @tparam string text
-- @tparam string language "c" or "lua"
-- @treturn {table,...} { at, len, new, line, was, becomes }: the bytes to replace,
-- and for people the line's number, the line as it was and as it becomes
function mutants.of(text, language)
  local mask, list = masked(text, language), {}
  local function add(at, len, new) list[#list + 1] = { at = at, len = len, new = new } end
  operators_of(mask, language == "c" and C or LUA, add)
  words_of(mask, WORDS[language], add)
  if language == "c" then c_statements(mask, add) else lua_statements(mask, add) end
  table.sort(list, function(a, b)
    if a.at ~= b.at then return a.at < b.at end
    return a.new < b.new
  end)
  for _, m in ipairs(list) do m.line, m.was, m.becomes = line_of(text, m) end
  return list
end

--- The text with one mutant in it.
function mutants.apply(text, m)
  return text:sub(1, m.at - 1) .. m.new .. text:sub(m.at + m.len)
end

return mutants
