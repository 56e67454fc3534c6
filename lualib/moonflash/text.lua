--- Text from chips and files, made safe to show. Pure.
-- @module moonflash.text

local text = {}

local named = { ["\r"] = "\\r", ["\n"] = "\\n", ["\t"] = "\\t", ["\\"] = "\\\\" }

local function escape_byte(c)
  return named[c] or ("\\x%02x"):format(c:byte())
end

--- Escape everything that is not printable ASCII, so that no byte of a device
-- reaches the terminal as a command. Reversible: a backslash is doubled.
-- @tparam string bytes
-- @tparam[opt] table opts `newlines` = true keeps LF and tab as they are and
-- drops the CR of CR LF; `shown` = true doubles no backslash: for a text of ours
-- that may have escaped parts in it
-- @treturn string printable ASCII (and LF, tab when asked)
function text.escape(bytes, opts)
  local backslash = opts and opts.shown and "" or "\\"
  if not (opts and opts.newlines) then
    return (bytes:gsub(("[\0-\x1f%s\x7f-\xff]"):format(backslash), escape_byte))
  end
  return (bytes:gsub("\r+\n", "\n"):gsub(("[\0-\x08\x0b-\x1f%s\x7f-\xff]"):format(backslash),
    escape_byte))
end

--- A word of the user's or of a file's as messages show it: escaped, between quotes.
-- @param word
-- @treturn string
function text.quote(word) return "'" .. text.escape(tostring(word)) .. "'" end

--- Split at LF, CR LF or lone CR. A last line without an end counts; an empty
-- rest does not.
-- @tparam string bytes
-- @treturn {string,...}
function text.lines(bytes)
  local lines = {}
  local unified = bytes:gsub("\r*\n", "\n"):gsub("\r", "\n")
  for line in unified:gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  local rest = unified:match("([^\n]+)$")
  if rest then lines[#lines + 1] = rest end
  return lines
end

--- Share of bytes that are printable ASCII, CR, LF or tab.
-- @tparam string bytes
-- @treturn number 0..1; 0 for an empty string
function text.printable_share(bytes)
  if bytes == "" then return 0 end
  local _, count = bytes:gsub("[\x20-\x7e\r\n\t]", "")
  return count / #bytes
end

--- Cut a long line and say so.
-- @tparam string line
-- @tparam integer max greatest number of characters, at least 4
function text.shorten(line, max)
  if #line <= max then return line end
  return line:sub(1, max - 3) .. "..."
end

--- The names of a table's fields, in order.
-- @tparam table t whose keys are strings
-- @treturn {string,...}
function text.names(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- "1 sector", "2 sectors".
-- @tparam integer count
-- @tparam string noun singular
function text.count(count, noun)
  return ("%d %s%s"):format(count, noun, count == 1 and "" or "s")
end

--- Bytes in hex with blanks between, at most `max` of them.
-- @tparam string bytes
-- @tparam[opt=16] integer max
function text.hex_bytes(bytes, max)
  max = max or 16
  local shown = bytes:sub(1, max):gsub(".", function(c)
    return ("%02x "):format(c:byte())
  end)
  return shown:sub(1, -2) .. (#bytes > max and " ..." or "")
end

return text
