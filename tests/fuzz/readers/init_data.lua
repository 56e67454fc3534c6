-- Init data in a file, and fields as they are typed: the latter behind a '='.
local dkjson = require "dkjson"
local errors = require "moonflash.errors"
local init_data = require "moonflash.init_data"
local init_options = require "moonflash.init_options"

local function typed(text)
  local words = {}
  for word in text:gmatch "[^\n]+" do words[#words + 1] = word end
  local block = init_data.build { fields = init_options.fields(words) }
  assert(#block == 128, "no block")
  return init_options.describe(block)
end

local function read(bytes)
  if bytes:sub(1, 1) == "=" then return typed(bytes:sub(2)) end
  for _, at in ipairs(init_data.find(bytes)) do assert(at + 128 <= #bytes, "behind the end") end
  init_data.classify(bytes)
  if #bytes < 128 then errors.raise("file", "too short") end
  local lines = init_options.describe(bytes)
  assert(dkjson.encode(init_options.to_table(bytes)))
  local block = init_options.block(bytes, "a.bin")
  -- What its fields say makes the same block.
  assert(init_data.build { base = block, fields = {} } == block, "another block")
  return lines
end

return { read = read, exits = { 2, 6 }, words = { "\5\0\4\2\5\5\5\2\5\0\4\5", "\5\8\4\2",
  "=vdd33_const=255", "target_power=", "82,78,", "crystal=", "0x", "-1", "99999999999999999999" } }
